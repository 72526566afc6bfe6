"""Median of the means of a window's buckets: a ring of each bucket's mean.

With one reading a bucket this is the median of the readings. A bucket without readings has no part in it; of an even
number of buckets, the mean of the middle two is taken.
"""

from __future__ import annotations

import numpy as np

from processors.core.arrays import FAR_PAST, Bools, Floats, Ints, Slots, ragged_ranges, running_sum
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.rounds import clear_gap, rounds
from processors.core.windows.totals import Totals


class BucketMeans:
    """Medians of one field over windows of one clock, in steps of the field's resolution; NaN where there are none.

    `totals` are the same field's over the same clock. They take a stretch in after this, and an insert before this.
    """

    def __init__(self, columns: Columns, clock: Clock, field: str, totals: Totals) -> None:
        self._columns = columns
        self._clock = clock
        self._totals = totals
        self.name = f"bucket_mean/{field}/{clock.name}"
        columns.add(self.name, np.float64, np.nan, 1)

    def resize(self) -> None:
        self._columns.widen(self.name, self._clock.widest)

    def reset(self, slots: Slots) -> None:
        self._columns.reset(self.name, slots)

    def derive(self, newest: Ints) -> None:
        """Work the ring out from the totals alone; `newest` is the newest time of each slot from 0 on."""
        slots = np.flatnonzero(newest > FAR_PAST)
        count = self._clock.counts()[slots]
        last = self._clock.buckets(newest[slots], count)
        row, back = ragged_ranges(np.zeros(len(slots), np.int64), count)
        bucket = last[row] - back
        totals = self._totals.bucket(slots[row], bucket, count[row])
        with np.errstate(invalid="ignore", divide="ignore"):
            means = totals.sum / totals.count
        self._columns[self.name][slots[row], bucket % count[row]] = means

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Floats:
        """Take the readings in; the median at each of them."""
        ring = self._columns[self.name]
        means = self._running_means(stretch, strokes, steps, present)
        width = ring.shape[1]
        others = np.empty((len(strokes.first), width))
        for turn in rounds(stretch, strokes):
            clear_gap(ring, turn, turn.counts, np.nan)
            place = turn.buckets % turn.counts
            around = ring[turn.slots]
            around[np.arange(len(place)), place] = np.nan
            others[turn.strokes] = around
            ring[turn.slots, place] = means[strokes.final[turn.strokes]]
        others.sort(axis=1)  # NaN last
        number = np.count_nonzero(others == others, axis=1)
        return _median_with(others, number, strokes.stroke, means)

    def insert(self, slots: Slots, newest: Ints, times: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest (the totals have it already)."""
        count = self._clock.counts()[slots]
        last, bucket = self._clock.buckets(newest, count), self._clock.buckets(times, count)
        inside = np.flatnonzero(present & (bucket > last - count))
        slots, bucket, count = slots[inside], bucket[inside], count[inside]
        totals = self._totals.bucket(slots, bucket, count)
        self._columns[self.name][slots, bucket % count] = totals.sum / totals.count

    def at(self, slots: Slots) -> Floats:
        """The median of the window that ends at each slot's newest time."""
        means = np.sort(self._columns[self.name][slots], axis=1)
        number = np.count_nonzero(means == means, axis=1)
        rows = np.arange(len(slots))
        low = means[rows, np.maximum(number - 1, 0) // 2]
        high = means[rows, np.minimum(number // 2, means.shape[1] - 1)]
        median: Floats = np.where(number % 2 == 1, low, (low + high) / 2)
        return median

    def _running_means(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Floats:
        """Mean of the row's bucket up to each row; NaN as long as the bucket is empty."""
        earlier = self._totals.bucket(stretch.heads, strokes.before, strokes.count)
        same = strokes.bucket[stretch.starts] == strokes.before
        earlier_sum, earlier_count = np.where(same, earlier.sum, 0), np.where(same, earlier.count, 0)
        ones = present.astype(np.int64)
        if stretch.single:
            sums, numbers = earlier_sum + steps, earlier_count + ones
        else:
            first_stroke = strokes.number[strokes.stroke] == 0
            sums = running_sum(steps, strokes.first, strokes.stroke)
            sums += np.where(first_stroke, earlier_sum[stretch.group], 0)
            numbers = running_sum(ones, strokes.first, strokes.stroke)
            numbers += np.where(first_stroke, earlier_count[stretch.group], 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = sums / numbers
        return means


def _median_with(others: Floats, number: Slots, which: Slots, mean: Floats) -> Floats:
    """Median of the sorted row `which` of `others` (its first `number` values) together with `mean` (NaN: without).

    With an even number of others, the median is `mean` held between the middle two; with an odd number, half the sum
    of the middle one and of `mean` held between that one's neighbours.
    """
    middle = number // 2  # the upper of the middle two, or the middle one
    rows = np.arange(len(others))
    below = np.where(middle > 0, others[rows, np.maximum(middle - 1, 0)], -np.inf)
    at = np.where(middle < number, others[rows, middle], np.inf)
    above = np.where(middle + 1 < number, others[rows, np.minimum(middle + 1, others.shape[1] - 1)], np.inf)
    odd = number % 2 == 1
    low, centre, high = below, at, np.where(odd, above, at)
    alone = np.where(odd, at, (below + at) / 2)
    alone[number == 0] = np.nan
    held = np.minimum(np.maximum(mean, low[which]), high[which])
    with_mean = np.where(odd[which], (centre[which] + held) / 2, held)
    return np.where(np.isnan(mean), alone[which], with_mean)
