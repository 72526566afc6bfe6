"""All windows of one kind's rules: what to keep, how to take readings in, and the values at each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from processors.core.aggregates import (
    AGGREGATES,
    SAME_HOUR_MEDIAN,
    UNCHANGED,
    USUAL_LEVEL,
    USUAL_MINIMUM,
    Need,
    Parts,
)
from processors.core.arrays import Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.local_time import HOUR_MS
from processors.core.scale import Scale
from processors.core.stretch import Stretch
from processors.core.windows.baselines import Baseline, HourClock
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.extrema import Minima, extrema
from processors.core.windows.firsts import Firsts
from processors.core.windows.hours import Night, NightClock
from processors.core.windows.keys import Steps, Window, WindowKey
from processors.core.windows.latest import Latest, Newest
from processors.core.windows.levels import UsualLevel, hourly
from processors.core.windows.quantiles import BucketMeans
from processors.core.windows.rings import Ring
from processors.core.windows.spreads import Spreads
from processors.core.windows.totals import Totals
from processors.core.windows.trends import Trend
from processors.core.windows.tumbling import TumblingSeries
from processors.core.windows.tumbling_clock import TumblingClock
from processors.core.windows.unchanged import Unchanged


class WindowValues:
    """Values of the windows at each row; each is worked out when it is first asked for."""

    def __init__(
        self,
        parts: Mapping[Window, Parts],
        values: dict[WindowKey, Floats],
        nights: Mapping[str, Night],
        scales: Mapping[str, Scale],
    ) -> None:
        self._parts = parts
        self._scales = scales
        self._values = values
        self.nights = nights

    def __getitem__(self, key: WindowKey) -> Floats:
        value = self._values.get(key)
        if value is None:
            parts = self._parts[key.window]
            parts.q = key.q
            value = AGGREGATES[key.aggregate].value(parts, self._scales[key.field])
            if key.hours:
                value = np.where(self.nights[key.hours].complete, value, np.nan)
            for need in AGGREGATES[key.aggregate].needs if key.tumbling else ():
                value = np.where(parts.closed[need], value, np.nan)
            self._values[key] = value
        return value


class Windows:
    """The windows that `keys` ask for, over `columns`; windows of the same field and length share their state.

    `busy` names, for each usual level, the columns that are not 0 where a rule that names it is not idle.
    """

    def __init__(
        self,
        columns: Columns,
        keys: Iterable[WindowKey],
        scales: Mapping[str, Scale],
        timezone: str = "UTC",
        busy: Mapping[WindowKey, Sequence[str]] | None = None,
    ) -> None:
        self._scales = scales
        keys = sorted(set(keys))
        needs: dict[Window, set[Need]] = {}
        qs: dict[Window, set[float]] = {}
        for key in keys:
            if AGGREGATES[key.aggregate].needs:
                needs.setdefault(key.window, set()).update(AGGREGATES[key.aggregate].needs)
                if Need.MEANS in AGGREGATES[key.aggregate].needs:
                    qs.setdefault(key.window, set()).add(key.q)
        self.fields = sorted({key.field for key in keys})
        hours = sorted({key.hours for key in keys if key.hours})
        self._nights = {text: NightClock(columns, text, timezone) for text in hours}
        lengths = sorted({w.length_ms for w in needs if not w.hours and not w.tumbling})
        self._clocks: dict[str, Clock] = {str(length): Clock(columns, length) for length in lengths}
        each = [TumblingClock(columns, n, timezone) for n in sorted({w.length_ms for w in needs if w.tumbling})]
        self._clocks |= {clock.name: clock for clock in each}
        self._clocks |= {clock.name: clock for clock in self._nights.values()}
        self._latest = {
            field: Latest(columns, field)
            for field in self.fields
            if any(Need.NEWEST in n for w, n in needs.items() if w.field == field and not w.tumbling)
        }
        self._series = [
            self._make(columns, window, needs[window], qs.get(window, ()), each) for window in sorted(needs)
        ]
        self._unchanged = {key: Unchanged(columns, key.field) for key in keys if key.aggregate == UNCHANGED}
        self._baselines: dict[WindowKey, tuple[Clock, Baseline | UsualLevel]] = {}
        self._hour = None
        if any(key.aggregate in (SAME_HOUR_MEDIAN, USUAL_LEVEL) for key in keys):
            self._hour = self._clocks["hour"] = HourClock(columns, timezone)
        for key in keys:
            if key.aggregate == SAME_HOUR_MEDIAN and self._hour:
                clock: Clock = self._hour
                self._baselines[key] = clock, Baseline(columns, clock, key.field, key.days, 24, lowest=False)
            elif key.aggregate == USUAL_LEVEL and self._hour:
                width, names = key.length_ms // HOUR_MS, (busy or {}).get(key, ())
                self._baselines[key] = self._hour, UsualLevel(columns, self._hour, key.field, width, names)
            elif key.aggregate == USUAL_MINIMUM:
                clock = self._nights[key.hours]
                self._baselines[key] = clock, Baseline(columns, clock, key.field, key.days, 1, lowest=True)

    def _make(
        self, columns: Columns, window: Window, needs: set[Need], qs: Collection[float], each: Sequence[TumblingClock]
    ) -> _Series | TumblingSeries:
        for clock in each:
            if clock.name == window.clock:
                return TumblingSeries(columns, clock, window, needs, qs)
        return _Series(columns, self._clocks[window.clock], window, self._latest.get(window.field), needs, qs)

    def set_periods(self, slots: Slots, periods_ms: Ints) -> None:
        """Cut the windows of these slots by their sensors' periods; windows that are cut anew start empty."""
        changed = {name: clock.set_periods(slots, periods_ms) for name, clock in self._clocks.items()}
        for series in self._series:
            series.reset(changed[series.clock.name])

    def derive(self, newest: Ints, kept: Collection[str]) -> None:
        """Fill what is not among the columns that were `kept` and follows from them; `newest` time of every slot."""
        for series in self._series:
            series.derive(newest, kept)

    def pieces(self, stretch: Stretch) -> Iterator[Stretch]:
        """The stretch in pieces to be taken in and judged one after another: with a usual level, by the hour."""
        if self._hour and not stretch.single and any(key.aggregate == USUAL_LEVEL for key in self._baselines):
            yield from hourly(stretch, self._hour)
        else:
            yield stretch

    def advance(self, stretch: Stretch, steps: Mapping[str, Steps]) -> WindowValues:
        """Take a stretch (one of `pieces`) in; the values at each of its rows."""
        strokes = {name: clock.strokes(stretch) for name, clock in self._clocks.items()}
        newest = {field: latest.advance(stretch, *steps[field]) for field, latest in self._latest.items()}
        rings = {name: Ring(stretch, strokes[name]) for name in {s.clock.name for s in self._series if s.has_rings}}
        parts = {}
        for series in self._series:
            name = series.clock.name
            parts[series.key] = series.advance(
                stretch, strokes[name], rings.get(name), _inside(series.clock, stretch.times, steps[series.field]),
                newest.get(series.field),
            )  # fmt: skip
        values = {key: one.advance(stretch, *steps[key.field]) for key, one in self._unchanged.items()}
        for key, (clock, baseline) in self._baselines.items():
            found = baseline.advance(stretch, strokes[clock.name], *steps[key.field])
            values[key] = self._scales[key.field].units(found)
        return WindowValues(parts, values, self._nights_at(stretch.slots, stretch.times), self._scales)

    def _nights_at(self, slots: Slots, newest: Ints) -> dict[str, Night]:
        return {text: clock.night(slots, newest) for text, clock in self._nights.items()}

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Mapping[str, Steps]) -> WindowValues:
        """Take in one reading a slot, none newer than its slot's `newest`; the values at each slot's newest time."""
        for field, latest in self._latest.items():
            latest.insert(slots, times, *steps[field])
        parts = {}
        for series in self._series:
            series.insert(slots, newest, times, _inside(series.clock, times, steps[series.field]))
            parts[series.key] = series.at(slots, newest)
        values = {key: one.at(slots, newest) for key, one in self._unchanged.items()}
        for key, (_, baseline) in self._baselines.items():
            baseline.insert(slots, newest, times, *steps[key.field])
            values[key] = self._scales[key.field].units(baseline.at(slots))
        return WindowValues(parts, values, self._nights_at(slots, newest), self._scales)


def _inside(clock: Clock, times: Ints, steps: Steps) -> Steps:
    """Without the readings that are outside the hours of the clock."""
    if not isinstance(clock, NightClock):
        return steps
    present = steps.present & clock.inside(times)
    return Steps(np.where(present, steps.steps, 0), present)


class _Series:
    """State of one field's windows of one length."""

    def __init__(
        self,
        columns: Columns,
        clock: Clock,
        window: Window,
        latest: Latest | None,
        needs: set[Need],
        qs: Collection[float],
    ) -> None:
        self.clock = clock
        self.key = window
        self.field = field = window.field
        self._latest = latest if Need.NEWEST in needs else None
        totals = needs & {Need.TOTALS, Need.MEANS}
        self._totals = Totals(columns, clock, field) if totals else None
        self._means = BucketMeans(columns, clock, field, self._totals, qs) if self._totals and qs else None
        self._spreads = Spreads(columns, clock, field) if Need.SPREAD in needs else None
        self._minima = Minima(columns, clock, field, 1) if Need.MINIMUM in needs else None
        self._maxima = Minima(columns, clock, field, -1) if Need.MAXIMUM in needs else None
        self._firsts = Firsts(columns, clock, field) if Need.OLDEST in needs else None
        self._trend = Trend(columns, clock, field) if Need.LINE in needs else None
        states = (
            self._totals, self._means, self._spreads, self._minima, self._maxima, self._firsts, self._trend,
        )  # fmt: skip
        self._states = [state for state in states if state]
        self.has_rings = bool(self._totals or self._spreads or self._trend)

    def reset(self, slots: Slots) -> None:
        for state in self._states:
            state.reset(slots)
            state.resize()

    def derive(self, newest: Ints, kept: Collection[str]) -> None:
        if self._means and self._totals and self._means.name not in kept and self._totals.sums in kept:
            self._means.derive(newest)

    def advance(
        self, stretch: Stretch, strokes: Strokes, ring: Ring | None, steps: Steps, newest: Newest | None
    ) -> Parts:
        """`ring` is there if the series `has_rings`."""
        parts = Parts(self.clock.length_ms)
        if self._means:  # before the totals, see there
            parts.quantiles = self._means.advance(stretch, strokes, *steps)
        if self._totals and ring:
            parts.totals = self._totals.advance(ring, *steps)
        if self._spreads and ring:
            parts.spread = self._spreads.advance(ring, *steps)
        if self._trend and ring:
            parts.line = self._trend.advance(ring, stretch.times, *steps)
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
        if self._means:  # after the totals, see there
            self._means.insert(slots, newest, times, steps.present)
        for state in (self._spreads, self._minima, self._maxima, self._firsts, self._trend):
            if state:
                state.insert(slots, newest, times, *steps)

    def at(self, slots: Slots, newest: Ints) -> Parts:
        """The parts of the window that ends at each slot's newest time."""
        parts = Parts(self.clock.length_ms)
        if self._means:
            parts.quantiles = self._means.at(slots)
        if self._totals:
            parts.totals = self._totals.at(slots, newest)
        if self._spreads:
            parts.spread = self._spreads.at(slots, newest)
        if self._trend:
            parts.line = self._trend.at(slots, newest)
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
