"""The straight line through the readings of a window (least squares), from exact sums as in `rings`.

Times are counted in units of 1 ms, or of a millionth of the window if that is longer, so that the sums of a window,
taken from its newest time, stay within 63 bits; the rings hold them modulo 2^64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.windows.buckets import Clock
from processors.core.windows.rings import Ring, RingSums

_PARTS = ("count", "sum", "time", "square", "product")


@dataclass(slots=True)
class WindowLine:
    """At each row: change in steps a second, and where the line is at the newest time; NaN without two times."""

    slope: Floats
    level: Floats


class Trend:
    """Lines through one field's windows of one clock."""

    def __init__(self, columns: Columns, clock: Clock, field: str) -> None:
        self._unit = max(1, clock.length_ms // 1_000_000)
        self._sums = RingSums(columns, clock, {f"trend_{part}/{field}/{clock.name}": np.int64 for part in _PARTS})

    def resize(self) -> None:
        self._sums.resize()

    def reset(self, slots: Slots) -> None:
        self._sums.reset(slots)

    def _terms(self, times: Ints, steps: Ints, present: Bools) -> tuple[Ints, ...]:
        time, step = np.where(present, times // self._unit, 0), np.where(present, steps, 0)
        return present.astype(np.int64), step, time, time * time, time * step

    def advance(self, ring: Ring, times: Ints, steps: Ints, present: Bools) -> WindowLine:
        """Take the readings in; the line at each of them."""
        return self._line(times, self._sums.advance(ring, self._terms(times, steps, present)))

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        self._sums.insert(slots, newest, times, present, self._terms(times, steps, present))

    def at(self, slots: Slots, newest: Ints) -> WindowLine:
        """The line of the window that ends at each slot's newest time."""
        return self._line(newest, self._sums.at(slots, newest))

    def _line(self, at: Ints, sums: list[Ints]) -> WindowLine:
        origin, (count, total, time, square, product) = at // self._unit, sums
        number = count.astype(np.float64)
        t = (time - count * origin).astype(np.float64)
        tt = (square - 2 * origin * time + count * origin * origin).astype(np.float64)
        tx = (product - origin * total).astype(np.float64)
        x = total.astype(np.float64)
        spread = number * tt - t * t
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.where(spread > 0, (number * tx - t * x) / spread, np.nan)
            level = (x - slope * t) / number
        return WindowLine(slope * (1000.0 / self._unit), level)
