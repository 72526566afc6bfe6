"""The clock of windows that stand side by side: `each(10m)` is ten minutes, then the next ten.

Windows of less than a day, or of no whole number of days, are counted from midnight of 1970-01-01 in the zone's
standard time: those whose length divides a day begin at midnight, in summer an hour later by the clock. Whole days are
local calendar days, from midnight to midnight (23 or 25 hours when clocks are changed); several days are counted from
a Monday, so that `each(7d)` is a week.
"""

from __future__ import annotations

from processors.core.arrays import Ints
from processors.core.columns import Columns
from processors.core.local_time import DAY_MS, Nights, standard_offset_ms
from processors.core.windows.buckets import Clock

_DAYS_FROM_MONDAY = 3  # 1970-01-01 was a Thursday


class TumblingClock(Clock):
    """Numbers windows; its counts are the buckets that each is cut into for quantiles."""

    def __init__(self, columns: Columns, length_ms: int, timezone: str) -> None:
        super().__init__(columns, length_ms, f"each {length_ms}")
        self._offset = standard_offset_ms(timezone)
        self._days = 0 if length_ms % DAY_MS else length_ms // DAY_MS
        self._midnights = Nights("00:00-24:00", timezone)

    def buckets(self, times: Ints, counts: Ints) -> Ints:
        if self._days:
            return (self._midnights.numbers(times) + _DAYS_FROM_MONDAY) // self._days
        return (times + self._offset) // self.length_ms

    def parts(self, times: Ints, counts: Ints) -> Ints:
        """Which of its window's `counts` buckets each time is in, from 0."""
        number = self.buckets(times, counts)
        if self._days:
            start = self._midnights.starts((number * self._days - _DAYS_FROM_MONDAY).clip(0))
        else:
            start = number * self.length_ms - self._offset
        part: Ints = ((times - start) * counts // self.length_ms).clip(0, counts - 1)
        return part
