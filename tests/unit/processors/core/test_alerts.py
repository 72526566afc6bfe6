"""The alert after each signal."""

import dataclasses
from typing import ClassVar

from processors.core.alerts import step
from schemas.levels import Level
from schemas.records import Signal


class Texts:
    title: ClassVar = {"en": "Low gas pressure"}
    advice: ClassVar = {"en": "Check the regulator."}
    departments = ("gas", "emergency")


RAISED = Signal(
    signal_id="s1", rule_id="gas.pressure.low", rule_version=2, registry_version=5, kind="gas_pressure", sensor_id="p1",
    zone="c/d/s", asset_id="pipe-1", transition="raised", level=Level.YELLOW, previous_level=Level.NONE, onset_at=1000,
    at=31_000, sequence=7, alert_id="a1", value=1.4, evidence="{}", mode="live", log_partition=0, log_offset=9, log_index=1,
)  # fmt: skip


def after(alert, sequence: int, transition: str, level: Level, previous: Level, at: int):
    signal = dataclasses.replace(
        RAISED, sequence=sequence, transition=transition, level=level, previous_level=previous, at=at
    )
    return step(alert, signal, Texts())


def test_raised_changed_cleared_are_events_of_one_alert() -> None:
    raised = step(None, RAISED, Texts())
    assert raised is not None
    assert (raised.event, raised.level, raised.status, raised.cleared) == ("raised", Level.YELLOW, "raised", False)
    assert (raised.lead_department, raised.departments) == ("gas", ["gas", "emergency"])
    red = after(raised, 8, "changed", Level.RED, Level.YELLOW, 60_000)
    blue = after(red, 9, "changed", Level.BLUE, Level.RED, 90_000)
    cleared = after(blue, 10, "cleared", Level.NONE, Level.BLUE, 120_000)
    assert cleared is not None
    assert (cleared.alert_id, cleared.sequence, cleared.cleared) == ("a1", 10, True)
    assert (cleared.level, cleared.highest_level) == (Level.BLUE, Level.RED)
    assert (cleared.onset_at, cleared.raised_at, cleared.updated_at) == (1000, 31_000, 120_000)


def test_a_signal_seen_again_changes_nothing() -> None:
    raised = step(None, RAISED, Texts())
    assert step(raised, RAISED, Texts()) is None
    red = after(raised, 8, "changed", Level.RED, Level.YELLOW, 60_000)
    assert step(red, RAISED, Texts()) is None


def test_an_alert_whose_beginning_is_lost_is_still_passed_on() -> None:
    alert = after(None, 8, "changed", Level.BLUE, Level.ORANGE, 60_000)
    assert alert is not None
    assert (alert.level, alert.highest_level) == (Level.BLUE, Level.ORANGE)
