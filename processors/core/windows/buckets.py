"""The clock of a window: which bucket a time falls into, for every sensor's own number of buckets.

A window of length W ms is cut into n buckets, n = floor(W / period) but 1 to 60. A time t is in bucket
`(t * n) // W`, an exact integer. The window at bucket k covers the buckets k - n + 1 to k.

    W = 60 s, period 10 s: n = 6           bucket   0     1     2     3     4     5     6     7
                                           time    |0----|10---|20---|30---|40---|50---|60---|70---
    window at a reading of 63 s (k = 6)                  [=====.=====.=====.=====.=====.=====]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Ints, Slots
from processors.core.columns import Columns
from processors.core.stretch import Stretch

MOST_BUCKETS = 60


def bucket_count(length_ms: int, period_ms: int) -> int:
    """Buckets of a window of `length_ms` for a sensor that reads every `period_ms`."""
    return max(1, min(MOST_BUCKETS, length_ms // max(1, period_ms)))


@dataclass(slots=True)
class Strokes:
    """A stretch on a window's clock.

    A stroke is the readings of one group that fall into one bucket. `bucket` is of each row, `count` (n) of each
    group; `first` is the first row of each stroke, `owner` its group, `stroke` the stroke of each row; `number` is the
    stroke's place within its group. `before` is the bucket of each group's newest time before the stretch; `last` of
    its newest after it.
    """

    bucket: Ints
    count: Ints
    before: Ints
    last: Ints
    first: Slots
    final: Slots
    owner: Slots
    stroke: Slots
    number: Slots


class Clock:
    """Bucket numbers for windows of one length."""

    def __init__(self, columns: Columns, length_ms: int, name: str = "") -> None:
        self.length_ms = length_ms
        self.name = name or str(length_ms)
        self.widest = 1  # most buckets that any slot has had
        self._columns = columns
        self._name = f"buckets/{self.name}"
        columns.add(self._name, np.int64, 1)

    def counts(self) -> Ints:
        """Number of buckets of every slot."""
        return self._columns[self._name]

    def set_periods(self, slots: Slots, periods_ms: Ints) -> Slots:
        """Set the number of buckets by the slots' periods; returns the slots where it has changed."""
        wanted = np.clip(self.length_ms // np.maximum(1, periods_ms), 1, MOST_BUCKETS)
        counts = self.counts()
        changed: Slots = slots[counts[slots] != wanted]
        counts[slots] = wanted
        self.widest = max(self.widest, int(wanted.max(initial=1)))
        return changed

    def buckets(self, times: Ints, counts: Ints) -> Ints:
        bucket: Ints = times * counts // self.length_ms
        return bucket

    def strokes(self, stretch: Stretch) -> Strokes:
        count = self.counts()[stretch.heads]
        before = self.buckets(stretch.before, count)
        if stretch.single:
            bucket = self.buckets(stretch.times, count)
            rows = stretch.starts
            return Strokes(bucket, count, before, bucket, rows, rows, rows, rows, np.zeros(len(rows), np.intp))
        bucket = self.buckets(stretch.times, count[stretch.group])
        new = np.empty(len(stretch), np.bool_)
        new[0] = True
        np.not_equal(bucket[1:], bucket[:-1], out=new[1:])
        new[stretch.starts] = True
        first = np.flatnonzero(new)
        final = np.append(first[1:], len(stretch)) - 1
        stroke = np.cumsum(new) - 1
        owner = stretch.group[first]
        number = np.arange(len(first)) - stroke[stretch.starts][owner]
        return Strokes(bucket, count, before, bucket[stretch.ends], first, final, owner, stroke, number)
