"""Sums over a window, at the same cost for every length: a ring of running totals for each slot.

The entry for bucket k is the total of all readings up to the end of bucket k. The sum over the window at bucket k is
the running total now less the entry of bucket k - n. Totals are integers modulo 2^64 (or 2^32), so their difference
is exact for ever, and does not depend on how the log is cut.

    bucket        k-n                                  k
    ring      [ C(k-n) | C(k-n+1) | … | C(k-1) | C(now) ]       sum = C(now) - C(k-n)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from processors.core.arrays import Bools, Ints, Slots, ragged_ranges, running_sum
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes


class RingSums:
    """Some sums of one field over windows of one clock, in columns of these names and integer types.

    A reading's terms are what it adds to each of them, in the order of the names.
    """

    def __init__(self, columns: Columns, clock: Clock, names: Mapping[str, DTypeLike]) -> None:
        self._columns = columns
        self._clock = clock
        self._names = list(names)
        for name, dtype in names.items():
            columns.add(name, dtype, 0, 2)

    def resize(self) -> None:
        for name in self._names:
            self._columns.widen(name, self._clock.widest + 1)

    def reset(self, slots: Slots) -> None:
        for name in self._names:
            self._columns.reset(name, slots)

    def advance(self, ring: Ring, terms: Sequence[NDArray[Any]]) -> list[Ints]:
        """Take the readings of a stretch in; the sums at each of them."""
        return [
            ring.add(self._columns[name], term).astype(np.int64, copy=False)
            for name, term in zip(self._names, terms, strict=True)
        ]

    def insert(
        self, slots: Slots, newest: Ints, times: Ints, present: Bools, terms: Sequence[NDArray[Any]]
    ) -> None:  # fmt: skip
        """Take in one reading a slot that is not newer than its newest."""
        count = self._clock.counts()[slots]
        last, bucket = self._clock.buckets(newest, count), self._clock.buckets(times, count)
        inside = np.flatnonzero(present & (bucket > last - count))
        owner, at = ragged_ranges(bucket[inside], (last - bucket + 1)[inside])
        row = inside[owner]
        place = at % (count[row] + 1)
        for name, term in zip(self._names, terms, strict=True):
            self._columns[name][slots[row], place] += term[row]

    def at(self, slots: Slots, newest: Ints) -> list[Ints]:
        """The sums of the window that ends at each slot's newest time."""
        count = self._clock.counts()[slots]
        last = self._clock.buckets(newest, count)
        return self._between(slots, (last - count) % (count + 1), last % (count + 1))

    def bucket(self, slots: Slots, buckets: Ints, counts: Ints) -> list[Ints]:
        """The sums of single buckets that are in the slots' windows."""
        return self._between(slots, (buckets - 1) % (counts + 1), buckets % (counts + 1))

    def _between(self, slots: Slots, start: Ints, end: Ints) -> list[Ints]:
        rings = [self._columns[name] for name in self._names]
        return [(ring[slots, end] - ring[slots, start]).astype(np.int64, copy=False) for ring in rings]


class Ring:
    """The places in the rings that one stretch reads and writes; the same for all sums."""

    def __init__(self, stretch: Stretch, strokes: Strokes) -> None:
        self._stretch = stretch
        size = strokes.count + 1
        self._before = strokes.before % size
        group = stretch.group
        single = stretch.single
        old = strokes.before if single else strokes.before[group]
        each = strokes.count if single else strokes.count[group]
        self._edge = strokes.bucket - each  # the last bucket before the window
        self._edge_place = self._edge % (each + 1)
        self._edge_is_new = self._edge >= old
        self._edge_row = None if single else self._rows_of_edges(strokes)
        self._plan_writes(strokes, size)

    def _rows_of_edges(self, strokes: Strokes) -> Slots | None:
        """The last row of the group at or before the edge bucket, -1 if none; None if no edge lies in the stretch."""
        group, starts = self._stretch.group, self._stretch.starts
        first = strokes.bucket[starts]
        if not (self._edge >= first[group]).any():
            return None
        span = int((strokes.last - first).max()) + int(strokes.count.max()) + 1
        key = group * span + (strokes.bucket - first[group])
        row = np.searchsorted(key, group * span + (self._edge - first[group]), side="right") - 1
        return np.where(row >= starts[group], row, -1)

    def _plan_writes(self, strokes: Strokes, size: Ints) -> None:
        """What each written place takes: a row's running total, or (a gap before the first reading) the old total."""
        stretch = self._stretch
        first = strokes.bucket[stretch.starts]
        oldest = strokes.last - strokes.count
        if stretch.single and bool((strokes.before >= first - 1).all()):
            self._write_slots, self._write_places = stretch.heads, strokes.bucket % size
            self._write_rows: Slots = stretch.ends
            self._gap_slots = None
            return
        # buckets of a stroke up to the next stroke's hold its total
        start = strokes.bucket[strokes.first]
        end = np.append(start[1:] - 1, 0)
        is_last = np.append(strokes.owner[1:] != strokes.owner[:-1], True)
        end[is_last] = start[is_last]
        start = np.maximum(start, oldest[strokes.owner])
        owner, bucket = ragged_ranges(start, np.maximum(end - start + 1, 0))
        group = strokes.owner[owner]
        self._write_slots, self._write_places = stretch.heads[group], bucket % size[group]
        self._write_rows = strokes.final[owner]
        start = np.maximum(strokes.before + 1, oldest)
        group, bucket = ragged_ranges(start, np.maximum(first - start, 0))
        self._gap_slots = stretch.heads[group]
        self._gap_places = bucket % size[group]
        self._gap_groups = group

    def add(self, ring: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Window totals at each row; the ring is brought up to the end of the stretch."""
        stretch = self._stretch
        old = ring[stretch.heads, self._before]
        if stretch.single:
            running = old + values
            edge = np.where(self._edge_is_new, old, ring[stretch.slots, self._edge_place])
        else:
            old_of_row = old[stretch.group]
            running = (running_sum(values, stretch.starts, stretch.group) + old_of_row).astype(ring.dtype)
            inside = old_of_row
            if self._edge_row is not None:
                inside = np.where(self._edge_row >= 0, running[self._edge_row], old_of_row)
            edge = np.where(self._edge_is_new, inside, ring[stretch.slots, self._edge_place])
        if self._gap_slots is not None:
            ring[self._gap_slots, self._gap_places] = old[self._gap_groups]
        ring[self._write_slots, self._write_places] = running[self._write_rows]
        totals: NDArray[Any] = running - edge
        return totals
