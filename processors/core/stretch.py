"""A stretch: readings in order of time, grouped by sensor, each newer than all that its sensor has given before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Ints, Slots, group_lengths


@dataclass(slots=True)
class Stretch:
    """Of each reading: `rows`, its index in the batch, `slots` and `times`; `starts`: the first row of each group.

    A group has one slot and strictly rising times; `before` is the slot's newest time before the group. `group` is
    the number of the group that each row is in, `heads` the slot of each group, `single` says that groups have one
    reading each.
    """

    rows: Slots
    slots: Slots
    times: Ints
    starts: Slots
    before: Ints
    group: Slots
    heads: Slots
    ends: Slots
    single: bool

    @classmethod
    def of(cls, rows: Slots, slots: Slots, times: Ints, starts: Slots, before: Ints) -> Stretch:
        count = len(rows)
        single = len(starts) == count
        if single:
            group, heads, ends = starts, slots, starts
        else:
            lengths = group_lengths(starts, count)
            group = np.repeat(np.arange(len(starts)), lengths)
            heads, ends = slots[starts], starts + lengths - 1
        return cls(rows, slots, times, starts, before, group, heads, ends, single)

    def __len__(self) -> int:
        return len(self.rows)
