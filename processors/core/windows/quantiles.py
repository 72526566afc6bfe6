"""Quantiles (the median among them) of the means of a window's buckets: a ring of each bucket's mean.

With one reading a bucket these are quantiles of the readings. A bucket without readings has no part in them. The
quantile q of n sorted means m(0) to m(n-1) lies at h = q * (n - 1); between two means, a straight line is drawn.

    means, sorted     10    12    20    26    40        n = 5
    h                  0     1     2     3     4
    q                  0    .25   .5    .75    1        quantile 0.9: h = 3.6, so 26 + 0.6 * (40 - 26) = 34.4
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

import numpy as np

from processors.core.arrays import FAR_PAST, Bools, Floats, Ints, Slots, ragged_ranges, running_sum
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.rounds import clear_gap, rounds
from processors.core.windows.totals import Totals

MEDIAN_Q = 0.5

Quantiles: TypeAlias = Mapping[float, Floats]
"""By q, in steps of the field's resolution, at each row; NaN where the window has no readings."""


class BucketMeans:
    """Quantiles `qs` of one field over windows of one clock.

    `totals` are the same field's over the same clock. They take a stretch in after this, and an insert before this.
    """

    def __init__(self, columns: Columns, clock: Clock, field: str, totals: Totals, qs: Collection[float]) -> None:
        self._columns = columns
        self._clock = clock
        self._totals = totals
        self._qs = sorted(qs)
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

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Quantiles:
        """Take the readings in; the quantiles at each of them."""
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
        return {q: _quantile_with(others, number, strokes.stroke, means, q) for q in self._qs}

    def insert(self, slots: Slots, newest: Ints, times: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest (the totals have it already)."""
        count = self._clock.counts()[slots]
        last, bucket = self._clock.buckets(newest, count), self._clock.buckets(times, count)
        inside = np.flatnonzero(present & (bucket > last - count))
        slots, bucket, count = slots[inside], bucket[inside], count[inside]
        totals = self._totals.bucket(slots, bucket, count)
        self._columns[self.name][slots, bucket % count] = totals.sum / totals.count

    def at(self, slots: Slots) -> Quantiles:
        """The quantiles of the window that ends at each slot's newest time."""
        means = np.sort(self._columns[self.name][slots], axis=1)
        number = np.count_nonzero(means == means, axis=1)
        return {q: quantile_of(means, number, q) for q in self._qs}

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


def quantile_of(values: Floats, number: Slots, q: float) -> Floats:
    """Quantile q of the first `number` values of each row, which are sorted; NaN where there are none."""
    place = q * (number - 1)
    low = np.maximum(np.floor(place).astype(np.intp), 0)
    rows, last = np.arange(len(values)), values.shape[1] - 1
    result = _between(values[rows, low], values[rows, np.minimum(low + 1, last)], place - low)
    result[number == 0] = np.nan
    return result


def _quantile_with(others: Floats, number: Slots, which: Slots, mean: Floats, q: float) -> Floats:
    """Quantile q of the first `number` values of the sorted row `which` of `others` together with `mean`.

    With one value more, the k-th of all is that value held between the (k-1)-th and the k-th of the others. Without a
    mean (NaN), of the others alone.
    """
    place = q * number
    k = np.floor(place).astype(np.intp)
    rows, last = np.arange(len(others)), others.shape[1] - 1
    below = np.where(k > 0, others[rows, np.maximum(k - 1, 0)], -np.inf)
    at = np.where(k < number, others[rows, np.minimum(k, last)], np.inf)
    above = np.where(k + 1 < number, others[rows, np.minimum(k + 1, last)], np.inf)
    share = place - k
    if len(which) > len(others):
        below, at, above, share = below[which], at[which], above[which], share[which]
    low, high = np.minimum(np.maximum(mean, below), at), np.minimum(np.maximum(mean, at), above)
    result = _between(low, high, share)
    missing = np.isnan(mean)
    if missing.any():
        alone = quantile_of(others, number, q)
        result = np.where(missing, alone[which], result)
    return result


def _between(low: Floats, high: Floats, share: Floats) -> Floats:
    """The point on the way from `low` to `high`; `low` itself, whatever `high` is, where the share is 0."""
    return np.where(share > 0, low + share * (high - low), low)
