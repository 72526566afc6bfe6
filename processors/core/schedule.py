"""When a rule is in force: at which hours of the day, in which seasons, in which mode of the zone.

    schedule: {hours: "07:00-19:00", seasons: ["05-01..09-30"], mode: peace}

All that are given must be so. Hours and seasons are of the city's local time at the sensor's newest `observed_at`, the
mode is that of the sensor's zone at the log time of the record. Out of schedule no level holds, and the clear
condition counts as true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Ints
from processors.core.local_time import Nights

_SEASON = re.compile(r"(\d\d)-(\d\d)\s*\.\.\s*(\d\d)-(\d\d)")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours as `07:00-19:00`; seasons as first and last day, each month · 100 + day; empty: always."""

    hours: tuple[str, ...] = ()
    seasons: tuple[tuple[int, int], ...] = ()
    mode: str = ""

    def in_force(self, at: Ints, timezone: str) -> Bools:
        """Is the rule in force at these times, the mode aside?"""
        result = np.ones(len(at), np.bool_)
        if self.hours:
            spans = [Nights(hours, timezone) for hours in self.hours]
            result &= np.any([span.inside(at, span.numbers(at)) for span in spans], axis=0)
        if self.seasons:
            days = Nights("00:00-24:00", timezone).numbers(at).astype("datetime64[D]")
            months = days.astype("datetime64[M]")
            date = (months.astype(np.int64) % 12 + 1) * 100 + (days - months).astype(np.int64) + 1
            result &= np.any([_within(date, first, last) for first, last in self.seasons], axis=0)
        return result


def _within(date: Ints, first: int, last: int) -> Bools:
    after, before = date >= first, date <= last
    return after & before if first <= last else after | before


def parse_season(text: str) -> tuple[int, int]:
    """`05-01..09-30`; over the new year as `11-15..03-15`. Raises `ValueError` naming what is allowed."""
    match = _SEASON.fullmatch(text.strip())
    if match:
        month, day, to_month, to_day = (int(part) for part in match.groups())
        if all(1 <= m <= 12 and 1 <= d <= _DAYS[m - 1] for m, d in ((month, day), (to_month, to_day))):
            return month * 100 + day, to_month * 100 + to_day
    raise ValueError(f"{text!r} is not a season; allowed: first and last day as 05-01..09-30 (month-day)")
