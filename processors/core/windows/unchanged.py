"""Since when a field has had its present value: the first of the newest run of equal readings.

Only readings that were the newest when they came have part in it; one that lacks the field changes nothing.
"""

from __future__ import annotations

import numpy as np

from processors.core.arrays import FAR_PAST, Bools, Floats, Ints, Slots, running_last
from processors.core.columns import Columns
from processors.core.stretch import Stretch


class Unchanged:
    """Seconds for which one field has not changed; NaN before its first value."""

    def __init__(self, columns: Columns, field: str) -> None:
        self._columns = columns
        self.since = f"unchanged_since/{field}"
        self.value = f"unchanged_value/{field}"
        columns.add(self.since, np.int64, FAR_PAST)
        columns.add(self.value, np.int64, 0)

    def advance(self, stretch: Stretch, steps: Ints, present: Bools) -> Floats:
        """Take the readings in; the seconds at each of them."""
        since, value = self._columns[self.since], self._columns[self.value]
        if stretch.single:
            held, start = value[stretch.heads], since[stretch.heads]
            new = present & ((steps != held) | (start == FAR_PAST))
            since[stretch.heads] = start = np.where(new, stretch.times, start)
            value[stretch.heads] = np.where(present, steps, held)
            return _seconds(stretch.times, start)
        before = running_last(present, stretch.starts, stretch.group)
        after = before[stretch.ends]
        earlier = np.append(-1, before[:-1])
        earlier[stretch.starts] = -1
        held, start = value[stretch.slots], since[stretch.slots]
        last = np.where(earlier >= 0, steps[earlier], held)
        new = present & ((steps != last) | ((earlier < 0) & (start == FAR_PAST)))
        row = running_last(new, stretch.starts, stretch.group)
        start = np.where(row >= 0, stretch.times[row], start)
        since[stretch.heads] = start[stretch.ends]
        value[stretch.heads] = np.where(after >= 0, steps[after], value[stretch.heads])
        return _seconds(stretch.times, start)

    def at(self, slots: Slots, newest: Ints) -> Floats:
        return _seconds(newest, self._columns[self.since][slots])


def _seconds(at: Ints, since: Ints) -> Floats:
    return np.where(since == FAR_PAST, np.nan, (at - since) / 1000.0)
