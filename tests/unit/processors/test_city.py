"""Standards that change at a place of the log of signals: what stays, what ends, and that it is a function of the log."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.city import City, versions_of
from processors.core.coupling import CouplingSet
from processors.core.coupling.events import rules_signal, rules_version, tick_signal
from processors.core.rules import RuleSet
from processors.core.standard import Standard
from processors.core.zones import ZoneStandard
from processors.zones import load_zones
from schemas.levels import Level
from schemas.records import Signal, ZoneRisk
from schemas.registry import EMPTY
from tests.unit.processors.core.coupling.support import MINUTE, couplings, story

NONE, BLUE, YELLOW, ORANGE, RED = Level
ZONES = load_zones(None)
PAIR = """
- id: coupled.pair
  when: {all: [{rule: gas.low}, {rule: flood.high}]}
  within: 5m
"""
OPEN_PAIR = [*story("gas.low", "g", {1: YELLOW}), *story("flood.high", "f", {2: BLUE})]


def standard(version: int, text: str = "", zones: ZoneStandard = ZONES) -> Standard:
    return Standard(RuleSet((), version), couplings(text) if text else CouplingSet([]), zones)


def take(city: City, signal: Signal, at: int, version: Standard | None = None, offset: int = 0) -> list[Signal]:
    return city.take(signal, at, EMPTY, 0, offset, version).signals


def coupled(signals: list[Signal]) -> list[tuple[str, str, str, int]]:
    return [(s.rule_id, s.transition, s.level.word, s.at // MINUTE) for s in signals if s.type == "coupling"]


def opened(text: str = PAIR) -> City:
    city = City(standard(0, text))
    for one in OPEN_PAIR:
        take(city, one, one.at)
    return city


def switch(city: City, version: Standard, minute: int = 3) -> list[Signal]:
    return take(city, rules_signal(version.version, minute * MINUTE), minute * MINUTE, version, 7)


def test_a_coupling_that_sees_the_same_keeps_its_alert_and_moves_to_its_new_level() -> None:
    city = opened()
    assert coupled(switch(city, standard(1, PAIR))) == []
    higher = f"{PAIR}  raise: red\n  departments: [flood]\n  version: 9\n"
    (changed,) = switch(city, standard(2, higher), 4)
    assert coupled([changed]) == [("coupled.pair", "changed", "red", 4)]
    assert (changed.rule_version, changed.sequence, changed.onset_at) == (9, 2, 2 * MINUTE)
    assert changed.departments == ["emergency", "flood"]
    ended = [one for s in story("gas.low", "g", {1: YELLOW, 5: NONE})[1:] for one in take(city, s, 5 * MINUTE)]
    assert coupled(ended) == []  # gas still counts for 5 min
    assert coupled(take(city, tick_signal(30 * MINUTE), 30 * MINUTE)) == [("coupled.pair", "cleared", "none", 10)]


@pytest.mark.parametrize(
    "later",
    [
        "",
        PAIR.replace("coupled.pair", "coupled.other"),
        PAIR.replace("5m", "6m"),
        PAIR.replace("flood.high", "flood.*"),
        f"{PAIR}  related: {{same: street}}\n",
        PAIR.replace("]}", "], not: {event: drill}}"),
    ],
)
def test_alerts_of_a_coupling_that_is_gone_or_sees_something_else_are_cleared(later: str) -> None:
    city = opened()
    cleared, *more = switch(city, standard(1, later))
    assert coupled([cleared]) == [("coupled.pair", "cleared", "none", 3)]
    assert (cleared.sequence, cleared.log_offset, cleared.rule_version) == (2, 7, 3)
    assert json.loads(cleared.evidence)["ended"] == "the coupling is gone, or sees something else now"
    more += take(city, tick_signal(4 * MINUTE), 4 * MINUTE)
    # what is open fulfils the new one from here on: another alert, with an onset of its own
    names = [(one.rule_id, one.transition, one.onset_at) for one in more if one.type == "coupling"]
    assert names == ([(couplings(later).couplings[0].id, "raised", 3 * MINUTE + 1)] if later else [])
    assert all(one.alert_id != cleared.alert_id for one in more)


def test_a_new_coupling_knows_what_was_open_before_any_named_it() -> None:
    city = opened("")
    raised = switch(city, standard(1, PAIR))
    assert coupled(raised) == [("coupled.pair", "raised", "orange", 3)]
    assert set(raised[0].contributing) == {one.alert_id for one in OPEN_PAIR}
    # and what ended long ago does not begin it
    late = City(standard(0))
    for one in (*story("gas.low", "g", {1: YELLOW, 2: NONE}), *story("flood.high", "f", {90: BLUE})):
        take(late, one, one.at)
    assert switch(late, standard(1, PAIR), 91) == []


def graded(signals: list[Signal]) -> list[tuple[str, str, str, int]]:
    return [(s.zone, s.transition, s.level.word, s.sequence) for s in signals if s.type == "index"]


def test_index_alerts_move_by_the_new_standard_and_its_hysteresis() -> None:
    city = City(standard(0))
    (grid, *_) = take(city, story("gas.low", "g", {1: YELLOW})[0], MINUTE)
    assert (grid.zone, grid.value, grid.level) == ("c/d/s/m/g", 25, BLUE)
    same = ZONES.model_copy(update={"graded": ZONES.graded | {"blue": 29}, "version": 2})
    assert switch(city, standard(1, "", same)) == []  # 25 is above 29 less 5
    higher = ZONES.model_copy(update={"points": ZONES.points | {"yellow": 45.0}, "version": 3})
    moved = switch(city, standard(2, "", higher), 4)
    assert graded(moved) == [
        ("c/d/s", "raised", "blue", 1), ("c/d/s/m/g", "changed", "yellow", 2),
    ]  # fmt: skip
    assert {(one.rule_version, one.at) for one in moved} == {(3, 4 * MINUTE)}
    assert moved[1].alert_id == grid.alert_id


def test_zones_follow_new_levels_and_domains() -> None:
    city = City(standard(0))
    for one in (*story("gas.low", "g", {1: RED}), *story("heat.high", "h", {2: RED}, zone="c/d/s/m/h")):
        take(city, one, one.at)
    other = ZONES.model_copy(update={"domains": {"heat": 1.0}, "scale": {"community": 1.0}, "association": []})
    output = city.take(rules_signal(1, 3 * MINUTE), 3 * MINUTE, EMPTY, 0, 7, standard(1, "", other))
    assert graded(output.signals) == [
        ("c/d", "cleared", "none", 2),
        ("c/d/s", "cleared", "none", 2),
        ("c/d/s/m", "raised", "red", 1),
        ("c/d/s/m/g", "cleared", "none", 2),
    ]
    assert {risk.zone: risk.index for risk in output.risks} == {
        "c/d": 0.0, "c/d/s": 0.0, "c/d/s/m/g": 0.0, "c/d/s/m": 80.0,
    }  # fmt: skip


VERSIONS = [
    standard(0, PAIR),
    standard(1, f"{PAIR}  raise: the highest\n"),
    standard(2, "", ZONES.model_copy(update={"graded": {"blue": 8, "yellow": 30, "orange": 50, "red": 90}})),
    standard(
        3,
        PAIR.replace("5m", "2m")
        + "- id: coupled.late\n  when: {all: [{rule: gas.low}, {rule: coupled.pair}], not: {rule: water.x, within: 2m}}\n",
        ZONES.model_copy(update={"domains": {"water": 1.0, "gas": 0.4}, "association": []}),
    ),
    standard(4, PAIR.replace("within", "related: {same: street}\n  within"), ZONES),
]


def given_log(seed: int, alerts: int) -> list[Signal]:
    """Alerts, ticks and marks of versions, mixed; versions may come twice, or an older one behind a newer."""
    rng = random.Random(seed)
    log: list[Signal] = []
    for number in range(alerts):
        rule, start = rng.choice(["gas.low", "flood.high", "water.x"]), rng.randrange(30)
        steps = {start: Level(rng.randrange(1, 5)), start + 1: Level(rng.randrange(1, 5))}
        steps |= {start + 2 + rng.randrange(9): NONE} if rng.random() < 0.8 else {}
        log += story(rule, f"s{number}", steps, zone=f"c/d/s/m/{rng.choice('gh')}")
    log += [tick_signal(rng.randrange(40) * MINUTE) for _ in range(5)]
    log.sort(key=lambda one: one.at)
    for version in (rng.randrange(1, len(VERSIONS)) for _ in range(rng.randrange(5))):
        at = rng.randrange(len(log) + 1)
        log.insert(at, rules_signal(version, log[at - 1].at if at else 0))
    return log


def play(city: City, log: list[Signal], first: int = 0) -> tuple[list[Signal], list[ZoneRisk]]:
    """What the log gives; what a city says itself comes back through the log behind it."""
    signals: list[Signal] = []
    risks: list[ZoneRisk] = []
    for offset, one in enumerate(log, first):
        waiting = [one]
        while waiting:
            signal = waiting.pop(0)
            output = city.take(signal, one.at, EMPTY, 0, offset, VERSIONS[rules_version(signal)])
            signals += output.signals
            risks += output.risks
            waiting += output.signals
    return signals, risks


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 12), st.integers(0, 50), st.integers(0, 8))
def test_stopped_anywhere_and_fed_doubles_it_gives_the_same(seed: int, alerts: int, cut: int, doubled: int) -> None:
    log = given_log(seed, alerts)
    cut = min(cut, len(log))
    whole = City(VERSIONS[0])
    expected = play(whole, log)
    first = City(VERSIONS[0])
    signals, risks = play(first, log[:cut])
    state = json.loads(json.dumps(first.export()))
    second = City(VERSIONS[versions_of(state)[0]])
    second.restore(state, EMPTY)
    back = max(0, cut - doubled)
    again = [one for one in log[back:cut] if one.type == "threshold"]
    assert play(second, [replace(one, at=log[cut - 1].at) for one in again], back) == ([], [])
    more = play(second, log[cut:], cut)
    assert str((signals + more[0], risks + more[1])) == str(expected)
    assert json.dumps(second.export()) == json.dumps(whole.export())  # as text, because NaN is not itself
    ids = [one.signal_id for one in expected[0]]
    assert len(set(ids)) == len(ids)
    # each alert is raised first, and nothing is said of it once it has cleared
    by_alert: dict[str, list[Signal]] = {}
    for one in expected[0]:
        by_alert.setdefault(one.alert_id, []).append(one)
    for told in by_alert.values():
        assert [one.sequence for one in told] == list(range(1, len(told) + 1))
        assert told[0].transition == "raised"
        assert all(one.transition != "cleared" for one in told[:-1])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 12), st.integers(0, 50))
def test_a_version_that_says_the_same_changes_nothing_wherever_it_comes(seed: int, alerts: int, place: int) -> None:
    log = [one for one in given_log(seed, alerts) if not rules_version(one)]
    place = min(place, len(log) - 1)
    expected = play(City(VERSIONS[0]), log)
    city = City(VERSIONS[0])
    signals, risks = play(city, log[:place])
    same = replace(VERSIONS[0], rules=RuleSet((), 1))
    switched = city.take(rules_signal(1, 0), log[place].at, EMPTY, 0, place, same)
    more = play(city, log[place:], place)
    assert str((signals + switched.signals + more[0], risks + switched.risks + more[1])) == str(expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 12))
def test_without_couplings_none_is_open(seed: int, alerts: int) -> None:
    log = given_log(seed, alerts)
    city = City(VERSIONS[0])
    signals, _ = play(city, log)
    nothing = replace(standard(9), zones=VERSIONS[0].zones)
    signals += city.take(rules_signal(9, 0), log[-1].at, EMPTY, 0, len(log), nothing).signals
    newest = {one.alert_id: one.transition for one in signals if one.type == "coupling"}
    assert set(newest.values()) <= {"cleared"}
