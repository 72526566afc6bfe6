"""Windows that stand side by side ("tumbling"), at the same cost for every length: one is open, the last is closed.

    each(10m)      8:00          8:10            8:20          8:30          8:40
    times            |  a    b     |  c   d    e   |  f          |             |  g
    value at it      |  -    -     |  from a and b |  c d e x    |             |  none: the window before was empty
    out of order                          x of 8:14 comes after e: it takes its place
                                          y of 8:08 comes after e: it changes nothing

The value is that of the window before the one which the sensor's newest time is in: it comes with the first reading of
a window and stays until the next one begins. A window is closed as soon as a newer reading lies beyond its end; what
comes later has no part in it. There is no value until one window in which the sensor gave readings has been closed.
If no reading came in the window before, `count` is 0 and the others have no value.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from processors.core.aggregates.base import Need, Parts
from processors.core.arrays import FAR_FUTURE, FAR_PAST, Bools, Ints, Slots
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Strokes
from processors.core.windows.extrema import NOTHING, extrema
from processors.core.windows.firsts import Oldest, first_present
from processors.core.windows.keys import Steps, Window
from processors.core.windows.latest import Newest, last_present
from processors.core.windows.quantiles import quantile_of
from processors.core.windows.rings import Ring
from processors.core.windows.rounds import rounds
from processors.core.windows.spreads import WindowSpread, spread_terms
from processors.core.windows.totals import WindowTotals
from processors.core.windows.tumbling_clock import TumblingClock

Numbers: TypeAlias = tuple[NDArray[Any], ...]
Terms: TypeAlias = Callable[[Ints, Bools], Numbers]
"""What each reading gives, from steps and which are there."""

_BEGUN, _CLOSED = 1, 2  # of a slot: a reading has come, and since then a window has been closed


class _State:
    """Numbers of the open and of the last closed window of every slot."""

    def __init__(self, columns: Columns, name: str, fills: Mapping[str, int]) -> None:
        self._columns = columns
        self._fills = list(fills.values())
        self._stage = f"stage/{name}/{'+'.join(fills)}"
        self._open = [f"open_{part}/{name}" for part in fills]
        self._closed = [f"closed_{part}/{name}" for part in fills]
        columns.add(self._stage, np.int8, 0)
        self._add()

    def _add(self) -> None:
        for names in (self._open, self._closed):
            for column, fill in zip(names, self._fills, strict=True):
                self._columns.add(column, np.int64, fill)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Numbers:
        """Take the readings in; what `at` says at each of them."""
        taken = self._taken(stretch, strokes, steps, present)
        result: list[NDArray[Any]] = []
        for turn in rounds(stretch, strokes):
            self._close(turn.slots, turn.previous, turn.buckets)
            self._take(turn.slots, tuple(term[turn.strokes] for term in taken))
            found = self.at(turn.slots)
            if len(turn.slots) == len(strokes.first):
                result = list(found)
                break
            result = result or [np.empty((len(strokes.first), *part.shape[1:]), part.dtype) for part in found]
            for whole, part in zip(result, found, strict=True):
                whole[turn.strokes] = part
        return tuple(result) if stretch.single else tuple(whole[strokes.stroke] for whole in result)

    def insert(self, slots: Slots, times: Ints, steps: Ints, present: Bools, inside: Bools) -> None:
        """Take in a reading a slot that is not newer than its newest, where it is `inside` the open window."""
        self._columns[self._stage][slots] |= _BEGUN
        chosen = np.flatnonzero(inside & present)
        slots = slots[chosen]
        self._take(slots, self._terms(slots, times[chosen], steps[chosen], present[chosen]))

    def at(self, slots: Slots) -> Numbers:
        """The last closed window's numbers, and whether there is one."""
        return (*(self._columns[name][slots] for name in self._closed), self._columns[self._stage][slots] >= _CLOSED)

    def _close(self, slots: Slots, previous: Ints, now: Ints) -> None:
        """Where a window begins, the one before is closed."""
        stage = self._columns[self._stage]
        chosen = np.flatnonzero((now != previous) & (stage[slots] > 0))
        if len(chosen):
            stage[slots[chosen]] |= _CLOSED
            self._move(slots[chosen], (now == previous + 1)[chosen])

    def _move(self, slots: Slots, follows: Bools) -> None:
        """The open window's numbers are the closed one's, unless whole windows without readings lie between."""
        for opened, closed, fill in zip(self._open, self._closed, self._fills, strict=True):
            self._columns[closed][slots] = np.where(follows, self._columns[opened][slots], fill)
            self._columns[opened][slots] = fill

    def _take(self, slots: Slots, taken: Numbers) -> None:
        self._columns[self._stage][slots] |= _BEGUN
        merged = self._merge(tuple(self._columns[name][slots] for name in self._open), taken)
        for name, numbers in zip(self._open, merged, strict=True):
            self._columns[name][slots] = numbers

    @abstractmethod
    def _terms(self, slots: Slots, times: Ints, steps: Ints, present: Bools) -> Numbers:
        """What each reading gives."""

    @abstractmethod
    def _taken(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Numbers:
        """What each stroke gives."""

    @abstractmethod
    def _merge(self, one: Numbers, other: Numbers) -> Numbers:
        """Of two parts of a window, the whole."""


class _Running(_State):
    """Sums (or minima) of the `terms` of all readings."""

    def __init__(self, columns: Columns, name: str, parts: Sequence[str], ufunc: np.ufunc, terms: Terms) -> None:
        super().__init__(columns, name, dict.fromkeys(parts, 0 if ufunc is np.add else NOTHING))
        self._ufunc, self._each = ufunc, terms

    def _terms(self, slots: Slots, times: Ints, steps: Ints, present: Bools) -> Numbers:
        return self._each(steps, present)

    def _taken(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Numbers:
        terms = self._each(steps, present)
        return terms if stretch.single else tuple(self._ufunc.reduceat(term, strokes.first) for term in terms)

    def _merge(self, one: Numbers, other: Numbers) -> Numbers:
        return tuple(self._ufunc(a, b) for a, b in zip(one, other, strict=True))


class _End(_State):
    """Time and value of the oldest reading, or of the newest."""

    def __init__(self, columns: Columns, name: str, newest: bool) -> None:
        which, fill = ("newest", FAR_PAST) if newest else ("oldest", FAR_FUTURE)
        super().__init__(columns, name, {f"{which}_time": fill, f"{which}_value": 0})
        self._fill, self._beyond = fill, np.greater if newest else np.less
        self._row = last_present if newest else first_present

    def _terms(self, slots: Slots, times: Ints, steps: Ints, present: Bools) -> Numbers:
        return np.where(present, times, self._fill), steps

    def _taken(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Numbers:
        row = self._row(strokes, present)
        return np.where(row >= 0, stretch.times[row], self._fill), steps[row]

    def _merge(self, one: Numbers, other: Numbers) -> Numbers:
        beyond = self._beyond(other[0], one[0])
        return np.where(beyond, other[0], one[0]), np.where(beyond, other[1], one[1])


class _Means(_State):
    """Sums and counts of the open window's buckets; the means of the closed one's, sorted (NaN, for none, last)."""

    def __init__(self, columns: Columns, name: str, clock: TumblingClock) -> None:
        self._means = f"closed_bucket_mean/{name}"
        self._clock = clock
        super().__init__(columns, name, {"bucket_sum": 0, "bucket_count": 0})

    def _add(self) -> None:
        for name in self._open:
            self._columns.add(name, np.int64, 0, 1)
        self._columns.add(self._means, np.float64, np.nan, 1)

    def reset(self, slots: Slots) -> None:
        """Start empty, in rows that are as long as windows of the clock have buckets."""
        self._columns.reset(self._stage, slots)
        for name in (*self._open, self._means):
            self._columns.reset(name, slots)
            self._columns.widen(name, self._clock.widest)

    def at(self, slots: Slots) -> Numbers:
        return self._columns[self._means][slots], self._columns[self._stage][slots] >= _CLOSED

    def _move(self, slots: Slots, follows: Bools) -> None:
        sums, counts = (self._columns[name] for name in self._open)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(follows[:, None], sums[slots] / counts[slots], np.nan)
        self._columns[self._means][slots] = np.sort(means, axis=1)
        sums[slots], counts[slots] = 0, 0

    def _terms(self, slots: Slots, times: Ints, steps: Ints, present: Bools) -> Numbers:
        return self._spread(slots, times, steps, present, np.arange(len(slots)), len(slots))

    def _taken(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Numbers:
        return self._spread(stretch.slots, stretch.times, steps, present, strokes.stroke, len(strokes.first))

    def _spread(self, slots: Slots, times: Ints, steps: Ints, present: Bools, rows: Slots, count: int) -> Numbers:
        """What the readings give to each of the buckets in `count` rows; `rows`: the row of each."""
        width = self._clock.widest
        place = rows * width + self._clock.parts(times, self._clock.counts()[slots])
        sums, counts = np.zeros(count * width, np.int64), np.zeros(count * width, np.int64)
        np.add.at(sums, place, steps)
        np.add.at(counts, place, present)
        return sums.reshape(count, width), counts.reshape(count, width)

    def _merge(self, one: Numbers, other: Numbers) -> Numbers:
        return tuple(a + b for a, b in zip(one, other, strict=True))


class TumblingSeries:
    """State of one field's windows that stand side by side; each need has a state of its own."""

    has_rings = False

    def __init__(
        self, columns: Columns, clock: TumblingClock, window: Window, needs: Collection[Need], qs: Collection[float]
    ) -> None:
        self.clock = clock
        self.key = window
        self.field = field = window.field
        self._qs = sorted(qs)
        name = f"{field}/{clock.name}"
        self._means = _Means(columns, name, clock) if Need.MEANS in needs else None
        makers: dict[Need, Callable[[], _State]] = {
            Need.TOTALS: lambda: _Running(columns, name, ("sum", "count"), np.add, _totals),
            Need.SPREAD: lambda: _Running(columns, name, ("number", "total", "high", "low"), np.add, spread_terms),
            Need.MINIMUM: lambda: _Running(columns, name, ("minimum",), np.minimum, _least),
            Need.MAXIMUM: lambda: _Running(columns, name, ("maximum",), np.minimum, _least_negative),
            Need.OLDEST: lambda: _End(columns, name, newest=False),
            Need.NEWEST: lambda: _End(columns, name, newest=True),
        }
        self._states = {need: make() for need, make in makers.items() if need in needs}
        if self._means:
            self._states[Need.MEANS] = self._means

    def reset(self, slots: Slots) -> None:
        """The buckets of these slots' windows are cut anew; whatever does not depend on them stays."""
        if self._means:
            self._means.reset(slots)

    def derive(self, newest: Ints, kept: Collection[str]) -> None:
        """Nothing follows from other state."""

    def advance(
        self, stretch: Stretch, strokes: Strokes, ring: Ring | None, steps: Steps, newest: Newest | None
    ) -> Parts:
        """Take the readings in; the closed windows at each of them."""
        return self._parts({need: state.advance(stretch, strokes, *steps) for need, state in self._states.items()})

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Steps) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        counts = self.clock.counts()[slots]
        inside = self.clock.buckets(times, counts) == self.clock.buckets(newest, counts)
        for state in self._states.values():
            state.insert(slots, times, *steps, inside)

    def at(self, slots: Slots, newest: Ints) -> Parts:
        """The closed windows at each slot's newest time."""
        return self._parts({need: state.at(slots) for need, state in self._states.items()})

    def _parts(self, found: Mapping[Need, Numbers]) -> Parts:
        parts = Parts(self.clock.length_ms)
        for need, (*numbers, closed) in found.items():
            parts.closed[need] = closed
            match need:
                case Need.TOTALS:
                    parts.totals = WindowTotals(*numbers)
                case Need.SPREAD:
                    parts.spread = WindowSpread(*numbers)
                case Need.MINIMUM:
                    parts.minimum = extrema(numbers[0], 1)
                case Need.MAXIMUM:
                    parts.maximum = extrema(numbers[0], -1)
                case Need.OLDEST:
                    parts.oldest = Oldest(*numbers)
                case Need.NEWEST:
                    parts.newest = Newest(*numbers)
                    parts.newest_inside = numbers[0] != FAR_PAST
                case Need.MEANS:
                    means = numbers[0]
                    there = np.count_nonzero(means == means, axis=1)
                    parts.quantiles = {q: quantile_of(means, there, q) for q in self._qs}
        return parts


def _totals(steps: Ints, present: Bools) -> Numbers:
    return steps, present.astype(np.int64)


def _least(steps: Ints, present: Bools) -> Numbers:
    return (np.where(present, steps, NOTHING),)


def _least_negative(steps: Ints, present: Bools) -> Numbers:
    return (np.where(present, -steps, NOTHING),)
