"""The clock of windows that are the same hours of every day: bucket = night, n = 1; see `local_time.Nights`.

    hours("02:00-04:00")     2:00        4:00              2:00        4:00
    night             k-1   |     k      .      k         |   k + 1     .
    in the window           |  readings  |                |  readings   |
    value            of k-1 |  none    of k from the last reading due   |  none …

A night is complete as soon as the sensor's next reading is due after its end; before, it has no value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Ints, Slots
from processors.core.columns import Columns
from processors.core.local_time import Nights
from processors.core.windows.buckets import Clock

_PERIOD = "hours_period"


@dataclass(slots=True)
class Night:
    """Of each row: the newest night that has begun, and whether it is complete."""

    numbers: Ints
    complete: Bools


class NightClock(Clock):
    """Numbers nights for windows of the same hours."""

    def __init__(self, columns: Columns, hours: str, timezone: str) -> None:
        super().__init__(columns, 0, f"hours {hours}")
        self._nights = Nights(hours, timezone)
        if _PERIOD not in columns:
            columns.add(_PERIOD, np.int64, 1)

    def set_periods(self, slots: Slots, periods_ms: Ints) -> Slots:
        """The slots' periods say when a night is complete; nothing is cut anew."""
        self._columns[_PERIOD][slots] = periods_ms
        return slots[:0]

    def buckets(self, times: Ints, counts: Ints) -> Ints:
        return self._nights.numbers(times)

    def inside(self, times: Ints) -> Bools:
        """Do the times lie within the hours?"""
        return self._nights.inside(times, self._nights.numbers(times))

    def night(self, slots: Slots, newest: Ints) -> Night:
        """The night at each slot's newest time."""
        numbers = self._nights.numbers(newest)
        return Night(numbers, newest + self._columns[_PERIOD][slots] >= self._nights.ends(numbers))
