"""Exact sum and number of a field's values in a window (`rings`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Ints, Slots
from processors.core.columns import Columns
from processors.core.windows.buckets import Clock
from processors.core.windows.rings import Ring, RingSums


@dataclass(slots=True)
class WindowTotals:
    """Sum (in steps of the field's resolution) and number of values in the window, at each row."""

    sum: Ints
    count: Ints


class Totals:
    """Sums and counts of one field over windows of one clock."""

    def __init__(self, columns: Columns, clock: Clock, field: str) -> None:
        self.sums = f"sum/{field}/{clock.name}"
        self.counts = f"count/{field}/{clock.name}"
        self._sums = RingSums(columns, clock, {self.sums: np.int64, self.counts: np.int32})

    def resize(self) -> None:
        self._sums.resize()

    def reset(self, slots: Slots) -> None:
        self._sums.reset(slots)

    def advance(self, ring: Ring, steps: Ints, present: Bools) -> WindowTotals:
        """Take the readings in; the totals at each of them."""
        return WindowTotals(*self._sums.advance(ring, (steps, present.astype(np.int32))))

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        self._sums.insert(slots, newest, times, present, (steps, present.astype(np.int32)))

    def at(self, slots: Slots, newest: Ints) -> WindowTotals:
        """The totals of the window that ends at each slot's newest time."""
        return WindowTotals(*self._sums.at(slots, newest))

    def bucket(self, slots: Slots, buckets: Ints, counts: Ints) -> WindowTotals:
        """The totals of single buckets that are in the slots' windows."""
        return WindowTotals(*self._sums.bucket(slots, buckets, counts))
