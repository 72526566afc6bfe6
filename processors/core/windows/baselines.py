"""What is usual at this hour: the median over the days before of one number an hour (or a night).

    same_hour_median(x, 3d)   day 1      day 2      day 3      day 4
    mean of the hour 8-9       5.0        5.4        9.0         -
    value from 8 to 9 o'clock  none       none       5.2         5.4        half of the history must be there

Each hour's mean goes into a ring when a reading of a later hour comes; then the baseline of that hour is worked out,
and stays until the next. Readings that come after their hour has ended have no part in it. The ring holds float32.
"""

from __future__ import annotations

import numpy as np

from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.local_time import HOUR_MS, standard_offset_ms
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.extrema import NOTHING
from processors.core.windows.rounds import rounds


class HourClock(Clock):
    """Numbers the hours of the zone's standard time."""

    def __init__(self, columns: Columns, timezone: str) -> None:
        super().__init__(columns, 0, "hour")
        self._offset = standard_offset_ms(timezone)

    def set_periods(self, slots: Slots, periods_ms: Ints) -> Slots:
        return slots[:0]

    def buckets(self, times: Ints, counts: Ints) -> Ints:
        hour: Ints = (times + self._offset) // HOUR_MS
        return hour

    def inside(self, times: Ints) -> Bools:
        return np.ones(len(times), np.bool_)


class Baseline:
    """Medians of one field's means (`lowest` False) or minima over `days` units that are `stride` units apart.

    In steps of the field's resolution; NaN until half of the days have a number.
    """

    def __init__(self, columns: Columns, clock: Clock, field: str, days: int, stride: int, lowest: bool) -> None:
        self._columns = columns
        self._clock = clock
        self._days = days
        self._stride = stride
        self._lowest = lowest
        name = f"{'minimum' if lowest else 'mean'}/{field}/{clock.name}/{days}"
        self.ring, self.sums, self.counts, self.base = (
            f"baseline_{part}/{name}" for part in ("ring", "sum", "count", "value")
        )
        columns.add(self.ring, np.float32, np.nan, days * stride)
        columns.add(self.sums, np.int64, NOTHING if lowest else 0)
        columns.add(self.counts, np.int32, 0)
        columns.add(self.base, np.float64, np.nan)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Floats:
        """Take the readings in; the baseline at each of them."""
        present = present & self._clock.inside(stretch.times)  # type: ignore[attr-defined]
        numbers, taken = present.astype(np.int32), np.where(present, steps, NOTHING if self._lowest else 0)
        if not stretch.single:
            numbers = np.add.reduceat(numbers, strokes.first)
            taken = (np.minimum if self._lowest else np.add).reduceat(taken, strokes.first)
        sums, counts, base = (self._columns[name] for name in (self.sums, self.counts, self.base))
        result = np.empty(len(strokes.first))
        for turn in rounds(stretch, strokes):
            self._close(turn.slots, turn.previous, turn.buckets)
            slots = turn.slots
            if self._lowest:
                sums[slots] = np.minimum(sums[slots], taken[turn.strokes])
            else:
                sums[slots] += taken[turn.strokes]
            counts[slots] += numbers[turn.strokes]
            result[turn.strokes] = base[slots]
        return result if stretch.single else result[strokes.stroke]

    def _close(self, slots: Slots, previous: Ints, now: Ints) -> None:
        """Where a new unit begins, put the last one's number into the ring and look back from the new one."""
        chosen = np.flatnonzero(now != previous)
        if not len(chosen):
            return
        slots, previous, now = slots[chosen], previous[chosen], now[chosen]
        ring, sums, counts = (self._columns[name] for name in (self.ring, self.sums, self.counts))
        width = self._days * self._stride
        with np.errstate(invalid="ignore", divide="ignore"):
            number = sums[slots] / (1 if self._lowest else counts[slots])
        ring[slots, previous % width] = np.where(counts[slots] > 0, number, np.nan)
        sums[slots], counts[slots] = (NOTHING if self._lowest else 0), 0
        gap = np.minimum(now - previous - 1, width)
        for far in np.flatnonzero(gap > 0).tolist():
            ring[slots[far], (previous[far] + 1 + np.arange(gap[far])) % width] = np.nan
        places = (now[:, None] - self._stride * np.arange(1, self._days + 1)) % width
        known = np.sort(ring[slots[:, None], places].astype(np.float64), axis=1)
        there = np.count_nonzero(known == known, axis=1)
        rows = np.arange(len(slots))
        low, high = known[rows, np.maximum(there - 1, 0) // 2], known[rows, np.minimum(there // 2, self._days - 1)]
        median = np.where(there % 2 == 1, low, (low + high) / 2)
        self._columns[self.base][slots] = np.where(2 * there >= self._days, median, np.nan)

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        count = self._clock.counts()[slots]
        inside = present & self._clock.inside(times)  # type: ignore[attr-defined]
        inside &= self._clock.buckets(times, count) == self._clock.buckets(newest, count)
        slots, steps = slots[inside], steps[inside]
        sums = self._columns[self.sums]
        if self._lowest:
            sums[slots] = np.minimum(sums[slots], steps)
        else:
            sums[slots] += steps
        self._columns[self.counts][slots] += 1

    def at(self, slots: Slots) -> Floats:
        base: Floats = self._columns[self.base][slots]
        return base
