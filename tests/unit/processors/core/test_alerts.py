"""The alert after each signal."""

import dataclasses
from typing import ClassVar

from processors.core.alerts import link, step
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


def test_the_alert_has_the_priority_of_its_newest_signal() -> None:
    raised = step(None, dataclasses.replace(RAISED, priority=2), Texts())
    assert raised is not None
    assert raised.priority == 2
    later = after(raised, 8, "changed", Level.RED, Level.YELLOW, 60_000)
    assert later is not None
    assert later.priority == 5  # another version of the rule says nothing


def test_raised_changed_cleared_are_events_of_one_alert() -> None:
    raised = step(None, RAISED, Texts())
    assert raised is not None
    assert (raised.event, raised.level, raised.status, raised.cleared) == ("raised", Level.YELLOW, "raised", False)
    assert (raised.lead_department, raised.departments) == ("gas", ["gas", "emergency"])
    red = after(raised, 8, "changed", Level.RED, Level.YELLOW, 60_000)
    blue = after(red, 9, "changed", Level.BLUE, Level.RED, 90_000)
    cleared = after(blue, 10, "cleared", Level.NONE, Level.BLUE, 120_000)
    assert cleared is not None
    assert (cleared.alert_id, cleared.sequence, cleared.signal_sequence, cleared.cleared) == ("a1", 4, 10, True)
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


def coupled(alert_id: str, at: int) -> Signal:
    return dataclasses.replace(
        RAISED, rule_id="coupled.x", type="coupling", sensor_id="", sensors=["p1", "m1"], assets=["pipe-1"], alert_id=alert_id,
        sequence=1, contributing=["a1", "a2"], departments=["emergency", "gas"], at=at,
    )  # fmt: skip


def test_a_contributing_alert_is_linked_once_and_keeps_what_it_says() -> None:
    raised = step(None, RAISED, Texts())
    assert raised is not None
    linked = link(raised, coupled("c1", 40_000))
    assert linked is not None
    assert (linked.event, linked.part_of, linked.sequence, linked.updated_at) == ("linked", ["c1"], 2, 40_000)
    assert (linked.level, linked.signal_sequence, linked.sensors) == (raised.level, 7, ["p1"])
    assert link(linked, coupled("c1", 50_000)) is None
    both = link(linked, coupled("c2", 60_000))
    assert both is not None
    assert both.part_of == ["c1", "c2"]
    red = after(both, 8, "changed", Level.RED, Level.YELLOW, 70_000)
    assert red is not None
    assert (red.sequence, red.part_of) == (4, ["c1", "c2"])


def test_a_coupled_alert_has_the_sensors_assets_and_departments_of_its_signal() -> None:
    alert = step(None, coupled("c1", 40_000), Texts())
    assert alert is not None
    assert (alert.type, alert.lead_department, alert.departments) == ("coupling", "emergency", ["emergency", "gas"])
    assert (alert.sensors, alert.assets) == (["p1", "m1"], ["pipe-1"])
    joined = step(alert, dataclasses.replace(coupled("c1", 50_000), sequence=2, transition="joined"), Texts())
    assert joined is not None
    assert (joined.event, joined.sequence) == ("linked", 2)


def test_events_from_outside_and_ticks_are_no_alerts() -> None:
    for type_ in ("event", "tick"):
        assert step(None, dataclasses.replace(RAISED, type=type_), Texts()) is None
