"""Versions of rules and modes as records, and which mode a zone is in."""

import pytest

from schemas.rule_versions import NO_MODES, Modes, RuleFiles, ZoneMode, ZoneState

MODES = Modes(3, "li", "flood", 5000, (ZoneMode("c/n", "emergency", 100), ZoneMode("c/n/x", "peace", 100)))


def test_records_round_trip() -> None:
    rules = RuleFiles(1, "li", "summer", 5000, {"gas.yaml": "standard: gas\n"})
    assert RuleFiles.decode(rules.encode()) == rules
    assert Modes.decode(MODES.encode()) == MODES


@pytest.mark.parametrize(
    ("zone", "at", "mode"),
    [
        ("c/n", 0, ZoneState.EMERGENCY),
        ("c/n/y/z", 99, ZoneState.EMERGENCY),
        ("c/n/x/z", 99, ZoneState.PEACE),
        ("c/n", 100, ZoneState.PEACE),
        ("c/north", 0, ZoneState.PEACE),
        ("c", 0, ZoneState.PEACE),
    ],
)
def test_the_nearest_zone_named_decides_until_its_time(zone: str, at: int, mode: ZoneState) -> None:
    assert MODES.mode_of(zone, at) is mode
    assert NO_MODES.mode_of(zone, at) is ZoneState.PEACE
