"""Smallest and largest value of a window: a ring of each bucket's smallest and largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Ints, Slots, running_minimum
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Clock, Strokes
from processors.core.windows.rounds import clear_gap, rounds

NOTHING = 2**62  # in the ring of minima: no value in this bucket


class Minima:
    """Smallest value of one field over windows of one clock, in steps; `NOTHING` where the window has none.

    With `sign` -1 it keeps the values' negatives: their smallest is minus the largest value.
    """

    def __init__(self, columns: Columns, clock: Clock, field: str, sign: int) -> None:
        self._columns = columns
        self._clock = clock
        self._sign = sign
        self.name = f"{'minimum' if sign > 0 else 'maximum'}/{field}/{clock.name}"
        columns.add(self.name, np.int64, NOTHING, 1)

    def resize(self) -> None:
        self._columns.widen(self.name, self._clock.widest)

    def reset(self, slots: Slots) -> None:
        self._columns.reset(self.name, slots)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Ints:
        """Take the readings in; the smallest of the window at each of them."""
        ring = self._columns[self.name]
        values = self._values(steps, present)
        running = values if stretch.single else running_minimum(values, strokes.stroke)
        others = np.empty(len(strokes.first), np.int64)
        for turn in rounds(stretch, strokes):
            clear_gap(ring, turn, turn.counts, NOTHING)
            others[turn.strokes] = ring[turn.slots].min(axis=1)
            place = turn.buckets % turn.counts
            whole = running[strokes.final[turn.strokes]]
            ring[turn.slots, place] = np.minimum(ring[turn.slots, place], whole)
        return np.minimum(running, others if stretch.single else others[strokes.stroke])

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        ring = self._columns[self.name]
        count = self._clock.counts()[slots]
        last, bucket = self._clock.buckets(newest, count), self._clock.buckets(times, count)
        inside = np.flatnonzero(present & (bucket > last - count))
        at = slots[inside], (bucket % count)[inside]
        ring[at] = np.minimum(ring[at], self._values(steps, present)[inside])

    def at(self, slots: Slots) -> Ints:
        """The smallest of the window that ends at each slot's newest time."""
        smallest: Ints = self._columns[self.name][slots].min(axis=1)
        return smallest

    def _values(self, steps: Ints, present: Bools) -> Ints:
        return np.where(present, steps * self._sign, NOTHING)


@dataclass(slots=True)
class WindowExtrema:
    """Smallest or largest value at each row, in steps, and whether there is one."""

    steps: Ints
    present: Bools


def extrema(smallest: Ints, sign: int) -> WindowExtrema:
    """What a window's `Minima` say, with the sign undone."""
    present = smallest != NOTHING
    return WindowExtrema(np.where(present, smallest * sign, 0), present)
