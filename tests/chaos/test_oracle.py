"""The oracle sees every fault that is planted, and nothing where there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from schemas.levels import Level
from schemas.records import Alert
from tests.chaos.ledger import Ledger
from tests.chaos.oracle import Stored, Verdict, judge_alerts, judge_readings

SENT = {("a", 1): 1.0, ("a", 2): 2.0, ("b", 1): 3.0}
ACKNOWLEDGED = [("a", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("stored", "lost", "doubled", "strange"),
    [
        ({("a", 1): (1.0, 1), ("b", 1): (3.0, 1)}, 0, 0, 0),
        ({("a", 1): (1.0, 1), ("a", 2): (2.0, 1), ("b", 1): (3.0, 1)}, 0, 0, 0),  # stored, never acknowledged: allowed
        ({("a", 1): (1.0, 1)}, 1, 0, 0),
        ({}, 2, 0, 0),
        ({("a", 1): (1.0, 2), ("b", 1): (3.0, 1)}, 0, 1, 0),
        ({("a", 1): (1.0, 1), ("a", 2): (2.0, 3), ("b", 1): (3.0, 1)}, 0, 2, 0),
        ({("a", 1): (1.5, 1), ("b", 1): (3.0, 1)}, 0, 0, 1),
        ({("a", 1): (float("nan"), 2), ("b", 1): (3.0, 1)}, 0, 1, 1),  # two rows of different values
        ({("a", 1): (1.0, 1), ("b", 1): (3.0, 1), ("c", 1): (3.0, 1)}, 0, 0, 1),
    ],
)
def test_readings(stored: Stored, lost: int, doubled: int, strange: int) -> None:
    verdict = Verdict()
    judge_readings(SENT, ACKNOWLEDGED, stored, verdict)
    assert (verdict.readings, len(verdict.lost), verdict.doubled, len(verdict.strange)) == (2, lost, doubled, strange)
    assert verdict.holds == (not (lost or doubled or strange))


def test_what_was_refused_may_not_be_stored() -> None:
    verdict = Verdict()
    judge_readings(SENT, ACKNOWLEDGED, {key: (value, 1) for key, value in SENT.items()}, verdict, [("a", 2)])
    assert verdict.strange == [("a", 2)]


def an_event(alert_id: str, sequence: int, level: Level = Level.RED) -> Alert:
    return Alert(
        alert_id, sequence, "raised" if sequence == 1 else "changed", "threshold", level, level, "raised", False, "r", 1, 1,
        "gas_concentration", "city", "gas", ["gas"], "", ["a"], [], {}, {}, 1, 1, 5, sequence, None, False, "", 1.0, "{}", "live",
    )  # fmt: skip


EVENTS = [an_event("x", 1), an_event("y", 1), an_event("x", 2), an_event("x", 3)]
EXPECTED = {"x": [EVENTS[0], EVENTS[2], EVENTS[3]], "y": [EVENTS[1]]}


@pytest.mark.parametrize(
    ("published", "missed", "doubled", "repeats", "differences"),
    [
        (lambda e: e, 0, 0, 0, 0),
        (lambda e: [dataclasses.replace(one, published_at=9) for one in e], 0, 0, 0, 0),
        (lambda e: [*e, e[0], e[2]], 0, 0, 2, 0),
        (lambda e: e[:3], 1, 0, 0, 0),  # its end is missing
        (lambda e: [e[0], e[1], e[3]], 2, 0, 0, 0),  # a gap: the event is missing, and the next follows none
        (lambda e: [e[0], e[1], e[3], e[2]], 2, 0, 0, 0),  # out of order
        (lambda e: [*e, an_event("z", 1)], 0, 1, 0, 0),
        (lambda e: [*e, an_event("y", 1, Level.BLUE)], 0, 1, 0, 0),
        (lambda e: [*e[:3], an_event("x", 3, Level.BLUE)], 0, 0, 0, 1),
    ],
)
def test_alerts(
    published: Callable[[list[Alert]], list[Alert]], missed: int, doubled: int, repeats: int, differences: int
) -> None:
    verdict = Verdict()
    judge_alerts(published(EVENTS), EXPECTED, verdict)
    found = (len(verdict.alerts_missed), len(verdict.alerts_doubled), verdict.repeats, len(verdict.differences))
    assert found == (missed, doubled, repeats, differences)
    assert verdict.alerts == 4
    assert verdict.holds == (not (missed or doubled or differences))


def test_readings_carry_their_place_in_the_sequence() -> None:
    ledger = Ledger(["a", "b"])
    made = [ledger.next(sensor) for _ in range(50) for sensor in ("a", "b")]
    assert len({one.key for one in made}) == len(made) == len(ledger.sent)
    own = [one for one in made if one.sensor == "a"]
    assert sorted(own, key=lambda one: one.at) == own
    assert [round(one.value * 10_000) % 10_000 for one in own] == list(range(50))
    assert {one.value > 50 for one in own} == {True, False}  # so that alerts come and go
