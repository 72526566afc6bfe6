"""Local time of the city: hours of the day that repeat every day, and the hours that baselines are counted in.

Times are ms since 1970 UTC. A night (hours such as 22:00-04:00 go over midnight) has the number of the local day on
which it begins, counted from 1970-01-01; its start and end are local clock times, so that a night in which clocks are
changed is an hour longer or shorter. Numbers never fall as time rises.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from processors.core.arrays import Bools, Ints

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_LAST_DAY = (date(2100, 1, 1) - date(1970, 1, 1)).days
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


def parse_hours(text: str) -> tuple[int, int]:
    """Start and end of `02:00-04:00` in minutes after midnight; an end that is not later is on the next day.

    Raises `ValueError` naming what is allowed.
    """
    match = _HOURS.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} are not hours; allowed: from and to as 02:00-04:00 or 22:00-05:00")
    start = int(match[1]) * 60 + int(match[2])
    end = int(match[3]) * 60 + int(match[4]) if match[3] else 1440
    return start, end if end > start else end + 1440


class Nights:
    """The same hours of every day."""

    def __init__(self, hours: str, timezone: str) -> None:
        start, end = parse_hours(hours)
        self._starts = _instants(start, timezone)
        self._ends = _instants(end, timezone)

    def numbers(self, times: Ints) -> Ints:
        """The newest night that has begun by each time; 0 before 1970, and the last one from 2100 on."""
        number: Ints = np.maximum(np.searchsorted(self._starts, times, side="right") - 1, 0)
        return number

    def starts(self, numbers: Ints) -> Ints:
        """When these nights begin."""
        starts: Ints = self._starts[numbers]
        return starts

    def ends(self, numbers: Ints) -> Ints:
        """When these nights end."""
        ends: Ints = self._ends[numbers]
        return ends

    def inside(self, times: Ints, numbers: Ints) -> Bools:
        """Do times whose nights these are lie within their hours?"""
        inside: Bools = (times < self._ends[numbers]) & (times >= self._starts[numbers])
        return inside


@lru_cache(maxsize=64)
def _instants(minute: int, timezone: str) -> Ints:
    """The time of a local clock time, so many minutes after midnight, of every day from 1970 to 2100."""
    days = np.arange(_LAST_DAY, dtype=np.int64)
    if timezone == "UTC":
        return days * DAY_MS + minute * 60_000
    zone = ZoneInfo(timezone)
    clock, first = time(minute % 1440 // 60, minute % 60), date(1970, 1, 1) + timedelta(days=minute // 1440)
    return np.array(
        [round(datetime.combine(first + timedelta(days=n), clock, zone).timestamp() * 1000) for n in range(_LAST_DAY)],
        np.int64,
    )


@lru_cache(maxsize=16)
def standard_offset_ms(timezone: str) -> int:
    """What the zone's clocks are ahead of UTC when they are not on summer time (as in 2020)."""
    zone = ZoneInfo(timezone)
    offsets = [datetime(2020, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for month in (1, 7)]
    return min(round(offset.total_seconds() * 1000) for offset in offsets if offset is not None)
