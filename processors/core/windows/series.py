"""All windows of one kind's rules: what to keep, how to take readings in, and the values at each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from processors.core.aggregates import AGGREGATES, Need, Parts
from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.scale import Scale
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.extrema import Minima, extrema
from processors.core.windows.firsts import Firsts
from processors.core.windows.latest import Latest, Newest
from processors.core.windows.medians import BucketMeans
from processors.core.windows.totals import Totals


class WindowKey(NamedTuple):
    """A window function as rules name it: `aggregate(field, length)`."""

    aggregate: str
    field: str
    length_ms: int


class Steps(NamedTuple):
    """A field's values as integer steps (0 where missing), and which are there."""

    steps: Ints
    present: Bools


class WindowValues:
    """Values of the windows at each row; each is worked out when it is first asked for."""

    def __init__(self, parts: Mapping[tuple[str, int], Parts], scales: Mapping[str, Scale]) -> None:
        self._parts = parts
        self._scales = scales
        self._values: dict[WindowKey, Floats] = {}

    def __getitem__(self, key: WindowKey) -> Floats:
        value = self._values.get(key)
        if value is None:
            parts = self._parts[key.field, key.length_ms]
            value = self._values[key] = AGGREGATES[key.aggregate].value(parts, self._scales[key.field])
        return value


class Windows:
    """The windows that `keys` ask for, over `columns`; windows of the same field and length share their state."""

    def __init__(self, columns: Columns, keys: Iterable[WindowKey], scales: Mapping[str, Scale]) -> None:
        self._scales = scales
        needs: dict[tuple[str, int], set[Need]] = {}
        for key in keys:
            needs.setdefault((key.field, key.length_ms), set()).update(AGGREGATES[key.aggregate].needs)
        self.fields = sorted({field for field, _ in needs})
        self._clocks = {length: Clock(columns, length) for length in sorted({length for _, length in needs})}
        self._latest = {
            field: Latest(columns, field)
            for field in self.fields
            if any(Need.NEWEST in n for (f, _), n in needs.items() if f == field)
        }
        self._series = [
            _Series(columns, self._clocks[length], field, self._latest.get(field), needs[field, length])
            for field, length in sorted(needs)
        ]

    def set_periods(self, slots: Slots, periods_ms: Ints) -> None:
        """Cut the windows of these slots by their sensors' periods; windows that are cut anew start empty."""
        changed = {length: clock.set_periods(slots, periods_ms) for length, clock in self._clocks.items()}
        for series in self._series:
            series.reset(changed[series.clock.length_ms])

    def derive(self, newest: Ints, kept: Collection[str]) -> None:
        """Fill what is not among the columns that were `kept` and follows from them; `newest` time of every slot."""
        for series in self._series:
            series.derive(newest, kept)

    def advance(self, stretch: Stretch, steps: Mapping[str, Steps]) -> WindowValues:
        """Take a stretch in; the values at each of its rows."""
        strokes = {length: clock.strokes(stretch) for length, clock in self._clocks.items()}
        newest = {field: latest.advance(stretch, *steps[field]) for field, latest in self._latest.items()}
        parts = {}
        for series in self._series:
            parts[series.key] = series.advance(
                stretch, strokes[series.clock.length_ms], steps[series.field], newest.get(series.field)
            )
        return WindowValues(parts, self._scales)

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Mapping[str, Steps]) -> WindowValues:
        """Take in one reading a slot, none newer than its slot's `newest`; the values at each slot's newest time."""
        for field, latest in self._latest.items():
            latest.insert(slots, times, *steps[field])
        parts = {}
        for series in self._series:
            series.insert(slots, newest, times, steps[series.field])
            parts[series.key] = series.at(slots, newest)
        return WindowValues(parts, self._scales)


class _Series:
    """State of one field's windows of one length."""

    def __init__(self, columns: Columns, clock: Clock, field: str, latest: Latest | None, needs: set[Need]) -> None:
        self.clock = clock
        self.field = field
        self.key = (field, clock.length_ms)
        self._latest = latest if Need.NEWEST in needs else None
        totals = needs & {Need.TOTALS, Need.MEDIAN}
        self._totals = Totals(columns, clock, field) if totals else None
        self._medians = (
            BucketMeans(columns, clock, field, self._totals) if self._totals and Need.MEDIAN in needs else None
        )
        self._minima = Minima(columns, clock, field, 1) if Need.MINIMUM in needs else None
        self._maxima = Minima(columns, clock, field, -1) if Need.MAXIMUM in needs else None
        self._firsts = Firsts(columns, clock, field) if Need.OLDEST in needs else None
        self._states = [s for s in (self._totals, self._medians, self._minima, self._maxima, self._firsts) if s]

    def reset(self, slots: Slots) -> None:
        for state in self._states:
            state.reset(slots)
            state.resize()

    def derive(self, newest: Ints, kept: Collection[str]) -> None:
        if self._medians and self._totals and self._medians.name not in kept and self._totals.sums in kept:
            self._medians.derive(newest)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Steps, newest: Newest | None) -> Parts:
        parts = Parts(self.clock.length_ms)
        if self._medians:  # before the totals, see there
            parts.median = self._medians.advance(stretch, strokes, *steps)
        if self._totals:
            parts.totals = self._totals.advance(stretch, strokes, *steps)
        if self._minima:
            parts.minimum = extrema(self._minima.advance(stretch, strokes, *steps), 1)
        if self._maxima:
            parts.maximum = extrema(self._maxima.advance(stretch, strokes, *steps), -1)
        if self._firsts:
            parts.oldest = self._firsts.advance(stretch, strokes, *steps)
        if self._latest and newest:
            counts = strokes.count if stretch.single else strokes.count[stretch.group]
            self._set_newest(parts, newest, strokes.bucket, counts)
        return parts

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Steps) -> None:
        if self._totals:
            self._totals.insert(slots, newest, times, *steps)
        if self._medians:  # after the totals, see there
            self._medians.insert(slots, newest, times, steps.present)
        for state in (self._minima, self._maxima, self._firsts):
            if state:
                state.insert(slots, newest, times, *steps)

    def at(self, slots: Slots, newest: Ints) -> Parts:
        """The parts of the window that ends at each slot's newest time."""
        parts = Parts(self.clock.length_ms)
        if self._medians:
            parts.median = self._medians.at(slots)
        if self._totals:
            parts.totals = self._totals.at(slots, newest)
        if self._minima:
            parts.minimum = extrema(self._minima.at(slots), 1)
        if self._maxima:
            parts.maximum = extrema(self._maxima.at(slots), -1)
        if self._firsts:
            parts.oldest = self._firsts.at(slots)
        if self._latest:
            counts = self.clock.counts()[slots]
            self._set_newest(parts, self._latest.at(slots), self.clock.buckets(newest, counts), counts)
        return parts

    def _set_newest(self, parts: Parts, newest: Newest, bucket: Ints, counts: Ints) -> None:
        parts.newest = newest
        parts.newest_inside = self.clock.buckets(newest.times, counts) > bucket - counts
