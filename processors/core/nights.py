"""Rules that count nights: a level holds if it has held on `at_least` of the last `of` nights.

    night     1    2    3    4    5         nights: {at_least: 2, of: 3}
    holds     -    B    -    Y    -         (of the night alone)
    level     -    -    -    B    -         night 4: B holds in 2 and 4; night 5: in 4 only

A night counts from when it is complete; what it says may change as readings come out of order.
"""

from __future__ import annotations

import numpy as np

from processors.core.arrays import Slots
from processors.core.columns import Columns
from processors.core.night_count import NightCount
from processors.core.rule import Judgement
from processors.core.windows.hours import Night


class NightMemory:
    """The heights of the last nights, of every slot, for one rule."""

    def __init__(self, columns: Columns, rule_id: str, count: NightCount) -> None:
        self._columns = columns
        self._count = count
        self._night = f"night/{rule_id}"
        self._heights = f"night_heights/{rule_id}"
        self._lasting = f"night_lasting/{rule_id}"
        columns.add(self._night, np.int32, 0)
        columns.add(self._heights, np.int8, 0, count.of)
        columns.add(self._lasting, np.int8, 0)

    def reset(self) -> None:
        """Forget all nights."""
        slots = np.arange(self._columns.count)
        for name in (self._night, self._heights, self._lasting):
            self._columns.reset(name, slots)

    def apply(self, slots: Slots, night: Night, judgement: Judgement) -> Judgement:
        """The judgement of the last nights from that of the night at each row."""
        known = judgement.known & night.complete
        newest, heights, lasting = (self._columns[name] for name in (self._night, self._heights, self._lasting))
        place = night.numbers % self._count.of
        moving = known & ((newest[slots] != night.numbers) | (heights[slots, place] != judgement.height))
        result = lasting[slots].copy()
        if moving.any():
            involved = np.zeros(self._columns.count, np.bool_)
            involved[slots[moving]] = True
            for row in np.flatnonzero(involved[slots] & known).tolist():
                slot, number = int(slots[row]), int(night.numbers[row])
                self._remember(slot, number, int(judgement.height[row]))
                result[row] = lasting[slot]
        return Judgement(judgement.value, result, known)

    def _remember(self, slot: int, number: int, height: int) -> None:
        of = self._count.of
        newest, heights = self._columns[self._night], self._columns[self._heights][slot]
        for passed in range(max(int(newest[slot]) + 1, number - of + 1), number):
            heights[passed % of] = 0
        newest[slot] = number
        heights[number % of] = height
        self._columns[self._lasting][slot] = np.sort(heights[:of])[of - self._count.at_least]
