"""How far the readings of a window are spread around their mean, from exact sums of squares.

A square has up to 60 bits (a field has at most 2^30 steps of its resolution either way, see `MOST_STEPS`), so that
sums of squares would not fit into 64. They are kept as two numbers, square = high * 2^32 + low, and both are summed
as in `rings`: exact for up to 2^30 readings in a window. The sum of squared distances to the mean then comes from
the distances to the whole number next to the mean, in which nothing large is left to cancel:

    o = round(S1 / n), r = S1 - n * o            S1: sum, S2: sum of squares, n: count
    sum of (x - o)^2 = S2 - o * (S1 + r)         exact, an integer
    sum of (x - mean)^2 = that - r^2 / n
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.windows.buckets import Clock
from processors.core.windows.rings import Ring, RingSums

MOST_STEPS = 2**30
_LOW = 2**32 - 1
_PARTS = ("count", "sum", "high", "low")


@dataclass(slots=True)
class WindowSpread:
    """Of the values in the window, in steps, at each row: number, sum, and sum of squares as high * 2^32 + low."""

    count: Ints
    sum: Ints
    high: Ints
    low: Ints


class Spreads:
    """Sums of the values of one field and of their squares, over windows of one clock.

    Count and sum are its own, not those of `totals`: all four begin with the same reading, however rules change.
    """

    def __init__(self, columns: Columns, clock: Clock, field: str) -> None:
        self._sums = RingSums(columns, clock, {f"spread_{part}/{field}/{clock.name}": np.int64 for part in _PARTS})

    def resize(self) -> None:
        self._sums.resize()

    def reset(self, slots: Slots) -> None:
        self._sums.reset(slots)

    def advance(self, ring: Ring, steps: Ints, present: Bools) -> WindowSpread:
        """Take the readings in; the sums at each of them."""
        return WindowSpread(*self._sums.advance(ring, spread_terms(steps, present)))

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        self._sums.insert(slots, newest, times, present, spread_terms(steps, present))

    def at(self, slots: Slots, newest: Ints) -> WindowSpread:
        """The sums of the window that ends at each slot's newest time."""
        return WindowSpread(*self._sums.at(slots, newest))


def spread_terms(steps: Ints, present: Bools) -> tuple[Ints, Ints, Ints, Ints]:
    """What each value adds to the four sums; `steps` are 0 where not present."""
    square = steps * steps
    return present.astype(np.int64), steps, square >> 32, square & _LOW


def deviation(spread: WindowSpread) -> Floats:
    """Standard deviation of the sample in steps: root of the squared distances over n - 1; NaN with less than two."""
    count, total = spread.count, spread.sum
    number = count.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(count > 0, np.rint(total / number), 0).astype(np.int64)
        rest = total - count * centre
        other = total + rest
        low = spread.low - centre * (other & _LOW)
        high = spread.high - centre * (other >> 32) + (low >> 32)
        around = high.astype(np.float64) * 2.0**32 + (low & _LOW).astype(np.float64)
        distances = around - (rest * rest).astype(np.float64) / number
        return np.where(count > 1, np.sqrt(distances / (number - 1.0)), np.nan)
