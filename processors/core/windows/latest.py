"""Newest value of a field, of every sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import FAR_PAST, Bools, Ints, Slots, running_last
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Strokes


@dataclass(slots=True)
class Newest:
    """Time (`FAR_PAST` if there is none) and value in steps of the newest value at each row."""

    times: Ints
    steps: Ints


class Latest:
    """Newest value of one field; readings that lack the field do not count."""

    def __init__(self, columns: Columns, field: str) -> None:
        self._columns = columns
        self.times = f"latest_time/{field}"
        self.steps = f"latest_value/{field}"
        columns.add(self.times, np.int64, FAR_PAST)
        columns.add(self.steps, np.int64, 0)

    def advance(self, stretch: Stretch, steps: Ints, present: Bools) -> Newest:
        """Take the readings in; the newest value at each of them."""
        times, values = self._columns[self.times], self._columns[self.steps]
        old_times, old_values = times[stretch.slots], values[stretch.slots]
        if stretch.single:
            result = Newest(np.where(present, stretch.times, old_times), np.where(present, steps, old_values))
        else:
            row = running_last(present, stretch.starts, stretch.group)
            known = row >= 0
            result = Newest(np.where(known, stretch.times[row], old_times), np.where(known, steps[row], old_values))
        times[stretch.heads] = result.times[stretch.ends]
        values[stretch.heads] = result.steps[stretch.ends]
        return result

    def insert(self, slots: Slots, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest."""
        newer = present & (times > self._columns[self.times][slots])
        self._columns[self.times][slots[newer]] = times[newer]
        self._columns[self.steps][slots[newer]] = steps[newer]

    def at(self, slots: Slots) -> Newest:
        return Newest(self._columns[self.times][slots], self._columns[self.steps][slots])


def last_present(strokes: Strokes, present: Bools) -> Slots:
    """Last row of each stroke that has a value, or -1."""
    rows = np.flatnonzero(present)
    if len(rows) == len(present):
        return strokes.final
    result = np.full(len(strokes.first), -1, np.intp)
    result[strokes.stroke[rows]] = rows
    return result
