"""Oldest reading of a window that is one bucket longer to the left: a ring of each bucket's first time and value.

The extra bucket makes the way from the oldest to the newest reading at least the window's length, once there is so
much data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import FAR_FUTURE, Bools, Ints, Slots
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.rounds import clear_gap, rounds


@dataclass(slots=True)
class Oldest:
    """Time (`FAR_FUTURE` if there is none) and value in steps of the oldest reading at each row."""

    times: Ints
    steps: Ints


class Firsts:
    """First readings of one field in the buckets of one clock."""

    def __init__(self, columns: Columns, clock: Clock, field: str) -> None:
        self._columns = columns
        self._clock = clock
        self.times = f"first_time/{field}/{clock.name}"
        self.steps = f"first_value/{field}/{clock.name}"
        columns.add(self.times, np.int64, FAR_FUTURE, 2)
        columns.add(self.steps, np.int64, 0, 2)

    def resize(self) -> None:
        width = self._clock.widest + 1
        self._columns.widen(self.times, width)
        self._columns.widen(self.steps, width)

    def reset(self, slots: Slots) -> None:
        self._columns.reset(self.times, slots)
        self._columns.reset(self.steps, slots)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Oldest:
        """Take the readings in; the oldest of the window at each of them.

        At a row before the first value of its bucket, when all earlier buckets are empty, it is a reading of the
        future; the newest reading is then older than the oldest, or there is none.
        """
        ring_times, ring_steps = self._columns[self.times], self._columns[self.steps]
        first = first_present(strokes, present)
        result = Oldest(np.empty(len(strokes.first), np.int64), np.empty(len(strokes.first), np.int64))
        for turn in rounds(stretch, strokes):
            size = turn.counts + 1
            clear_gap(ring_times, turn, size, FAR_FUTURE)
            place = turn.buckets % size
            row = first[turn.strokes]
            new = (row >= 0) & (ring_times[turn.slots, place] == FAR_FUTURE)
            at = turn.slots[new], place[new]
            ring_times[at] = stretch.times[row[new]]
            ring_steps[at] = steps[row[new]]
            oldest = self.at(turn.slots)
            result.times[turn.strokes], result.steps[turn.strokes] = oldest.times, oldest.steps
        if not stretch.single:
            return Oldest(result.times[strokes.stroke], result.steps[strokes.stroke])
        return result

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        count = self._clock.counts()[slots]
        last, bucket = self._clock.buckets(newest, count), self._clock.buckets(times, count)
        place = bucket % (count + 1)
        ring_times = self._columns[self.times]
        inside = present & (bucket >= last - count) & (times < ring_times[slots, place])
        ring_times[slots[inside], place[inside]] = times[inside]
        self._columns[self.steps][slots[inside], place[inside]] = steps[inside]

    def at(self, slots: Slots) -> Oldest:
        """The oldest reading of the window that ends at each slot's newest time."""
        times = self._columns[self.times][slots]
        rows, place = np.arange(len(slots)), times.argmin(axis=1)
        return Oldest(times[rows, place], self._columns[self.steps][slots, place])


def first_present(strokes: Strokes, present: Bools) -> Slots:
    """First row of each stroke that has a value, or -1."""
    rows = np.flatnonzero(present)
    if len(rows) == len(present):
        return strokes.first
    result = np.full(len(strokes.first), -1, np.intp)
    result[strokes.stroke[rows[::-1]]] = rows[::-1]
    return result
