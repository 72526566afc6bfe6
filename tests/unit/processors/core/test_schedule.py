"""Schedules: hours over midnight, seasons over the new year, and the zone's mode, which ends by the log's clock."""

from __future__ import annotations

import numpy as np
import pytest

from processors.core.engine import Engine
from processors.core.local_time import Nights, parse_hours
from processors.core.schedule import Schedule, parse_season
from schemas.rule_versions import Modes, ZoneMode
from tests.unit.processors.core.support import KIND, T0, batch, registry, rule_set

HOUR = 3_600_000  # T0 is 2026-01-01 00:00 UTC


def in_force(schedule: Schedule, hour: float, timezone: str = "UTC") -> bool:
    return bool(schedule.in_force(np.array([T0 + round(hour * HOUR)]), timezone)[0])


@pytest.mark.parametrize(
    ("hour", "timezone", "expected"),
    [(21.99, "UTC", False), (22, "UTC", True), (29.99, "UTC", True), (30, "UTC", False), (14, "Asia/Shanghai", True)],
)
def test_hours_over_midnight(hour: float, timezone: str, expected: bool) -> None:
    assert in_force(Schedule(hours=("22:00-06:00",)), hour, timezone) is expected


@pytest.mark.parametrize(
    ("season", "expected"), [("12-15..01-01", True), ("01-01..01-01", True), ("01-02..12-31", False)]
)
def test_seasons(season: str, expected: bool) -> None:
    assert in_force(Schedule(seasons=(parse_season(season),)), 12) is expected
    # midnight in Shanghai is eight hours earlier: 2025-12-31 16:00 UTC is 2026-01-01 there
    assert in_force(Schedule(seasons=(parse_season(season),)), -8, "Asia/Shanghai") is expected


@pytest.mark.parametrize("text", ["", "5-1..9-30", "02-30..03-01", "13-01..01-01", "05-01"])
def test_what_is_not_a_season(text: str) -> None:
    with pytest.raises(ValueError, match="is not a season; allowed: first and last day as 05-01"):
        parse_season(text)


@pytest.mark.parametrize("text", ["", "2-4", "24:00-01:00", "02:00", "02:60-03:00"])
def test_what_are_not_hours(text: str) -> None:
    with pytest.raises(ValueError, match="are not hours; allowed"):
        parse_hours(text)


def test_nights_follow_the_clocks_when_they_are_changed() -> None:
    # in Berlin clocks went from 2:00 to 3:00 on 2025-03-30: that night's hours from 1:30 to 4:30 were two, not three
    nights = Nights("01:30-04:30", "Europe/Berlin")
    number = np.searchsorted(nights._starts, 1_743_300_000_000) - 1  # 2025-03-30 02:00 UTC
    assert (nights._ends[number] - nights._starts[number]) == 2 * HOUR
    assert (np.diff(nights._starts) > 0).all()


def test_a_mode_switches_a_rule_on_and_ends_by_itself() -> None:
    rules = rule_set("- {id: t.low, value: a, above: {blue: 5}, schedule: {mode: emergency}}")
    judge = Engine(KIND, rules, registry({"s": {}}), 0)

    def signals(second: int, log_time: int) -> list[str]:
        return [s.transition for s in judge.process(batch([("s", second * 1000, 9, 0)]), second, log_time)]

    assert signals(1, 1000) == []
    assert judge.set_modes(Modes(1, "", "", 0, (ZoneMode("c", "emergency", 50_000),)), 2, 2000) == []
    assert signals(3, 3000) == ["raised"]
    assert signals(4, 49_999) == []
    assert signals(5, 50_000) == ["cleared"]
    judge.set_modes(Modes(2, "", "", 0, (ZoneMode("c/e", "emergency", 10**9),)), 6, 51_000)
    assert signals(7, 52_000) == []  # the mode of another zone
