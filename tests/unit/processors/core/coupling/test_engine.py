"""The coupling engine: what it gives is a function of the log, and of nothing that chance decides."""

import dataclasses
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.core.coupling import CouplingEngine
from schemas.levels import Level
from schemas.records import Event
from schemas.registry import Asset, Sensor, Snapshot
from tests.unit.processors.core.coupling.support import MINUTE, couplings, story

BLUE, YELLOW, ORANGE, RED, NONE = Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED, Level.NONE
PAIR = "{when: {all: [{rule: gas.low}, {rule: flood.high}]}, within: 10m}"


def play(engine, signals, end=None):
    found = [one for signal in signals for one in engine.signal(signal)]
    return found + (engine.progress(end * MINUTE) if end else [])


def brief(signals):
    return [(one.at // MINUTE, one.transition, one.level) for one in signals]


def test_a_pair_is_raised_once_and_tells_who_when_and_where() -> None:
    registry = Snapshot(
        4,
        {
            "p": Sensor("p", "", "p", "c/d/s/m/g", "gas", 30.0, 112.0, "PIPE"),
            "m": Sensor("m", "", "m", "c/d/s/m/g", "flood", 30.001, 112.0, "HOLE"),
        },
        {},
    )
    engine = CouplingEngine(couplings(PAIR), registry)
    gas, flood = (
        story("gas.low", "p", {1: YELLOW}, asset_id="PIPE"),
        story("flood.high", "m", {3: RED}, asset_id="HOLE"),
    )
    (raised,) = play(engine, gas + flood)
    assert (raised.rule_id, raised.type, raised.transition, raised.level) == ("coupled.test", "coupling", "raised", RED)
    assert (raised.rule_version, raised.registry_version, raised.sequence) == (3, 4, 1)
    assert (raised.onset_at, raised.at, raised.zone) == (3 * MINUTE, 3 * MINUTE, "c/d/s/m/g")
    assert raised.contributing == [gas[0].alert_id, flood[0].alert_id]
    assert (raised.sensors, raised.assets, raised.departments) == (["m", "p"], ["HOLE", "PIPE"], ["emergency"])
    evidence = json.loads(raised.evidence)
    assert evidence["metres_apart"] == 111
    assert [(one["rule"], one["level"], one["since"]) for one in evidence["signals"]] == [
        ("gas.low", "yellow", MINUTE), ("flood.high", "red", 3 * MINUTE),
    ]  # fmt: skip
    assert evidence["assets"] == ["HOLE", "PIPE"]
    assert play(engine, gas + flood) == []  # doubled signals


def test_an_exercise_meets_only_its_own_run() -> None:
    engine = CouplingEngine(couplings(PAIR))
    gas = story("gas.low", "p", {1: YELLOW})
    drill = {run: story("flood.high", "m", {2: RED}, mode="exercise", run_id=run) for run in ("r1", "r2")}
    drilled_gas = story("gas.low", "p", {3: YELLOW}, mode="exercise", run_id="r1")
    assert play(engine, gas + drill["r1"] + drill["r2"]) == []
    (raised,) = play(engine, drilled_gas)
    assert (raised.mode, raised.run_id) == ("exercise", "r1")


def test_a_third_sensor_joins_and_the_level_follows() -> None:
    engine = CouplingEngine(couplings(PAIR))
    log = story("gas.low", "p", {1: BLUE}) + story("flood.high", "m", {2: YELLOW}) + story("flood.high", "n", {3: BLUE})
    log += story("gas.low", "q", {4: RED, 6: YELLOW, 8: NONE})
    log.sort(key=lambda one: one.at)
    found = play(engine, log)
    assert brief(found) == [(2, "raised", ORANGE), (3, "joined", ORANGE), (4, "changed", RED), (6, "changed", ORANGE)]
    assert [one.sequence for one in found] == [1, 2, 3, 4]
    assert len({one.alert_id for one in found}) == 1
    assert len(found[-1].contributing) == 4


def test_after_its_end_a_new_onset_is_a_new_alert() -> None:
    engine = CouplingEngine(couplings(PAIR))
    log = story("gas.low", "p", {1: YELLOW, 5: NONE}) + story("flood.high", "m", {2: YELLOW, 6: NONE})
    log += story("gas.low", "p2", {9: YELLOW})
    found = play(engine, sorted(log, key=lambda one: one.at))
    assert brief(found) == [(2, "raised", ORANGE), (6, "cleared", NONE), (9, "raised", ORANGE)]
    assert found[0].alert_id != found[2].alert_id


def test_a_coupling_may_name_another_one() -> None:
    both = couplings(
        "[{id: coupled.a, when: {all: [{rule: gas.low}, {rule: flood.high}]}},"
        " {id: coupled.b, when: {all: [{rule: coupled.a}, {rule: bridge.shift}]}, departments: [concerned]}]"
    )
    engine = CouplingEngine(both)
    log = story("gas.low", "p", {1: BLUE}) + story("flood.high", "m", {2: BLUE}) + story("bridge.shift", "b", {3: BLUE})
    (first,) = play(engine, log)
    (second,) = play(engine, [first])
    assert (second.rule_id, second.contributing) == ("coupled.b", [first.alert_id, log[2].alert_id])
    assert second.departments == ["emergency", "bridges"]


def test_absence_waits_for_log_time_and_for_what_comes_late() -> None:
    pumps = "{when: {rule: flood.high, level: '>= orange', not: {event: pumps-on, within: 10m}}}"
    pumped = Event("e", "pumps-on", NONE, "c/d", "", 9 * MINUTE, 99 * MINUTE, "crew")
    flood = story("flood.high", "m", {1: ORANGE})
    engine = CouplingEngine(couplings(pumps))
    assert play(engine, flood, end=11) == []
    assert engine.next_due() == 11 * MINUTE + 10_000
    (raised,) = engine.progress(12 * MINUTE)
    assert (raised.onset_at, raised.at) == (MINUTE, 11 * MINUTE)
    late = CouplingEngine(couplings(pumps))
    play(late, flood, end=11)
    assert late.event(pumped, 11 * MINUTE + 5_000) == []
    assert late.progress(50 * MINUTE) == []


def test_an_event_that_is_sent_again_replaces_what_it_said() -> None:
    storm = "{when: {all: [{event: storm}, {rule: flood.high}]}, within: 0s}"
    engine = CouplingEngine(couplings(storm))
    warning = Event("e", "storm", ORANGE, "c", "", MINUTE, 99 * MINUTE, "weather")
    assert engine.event(warning, MINUTE, offset=0) == []
    play(engine, story("flood.high", "m", {2: YELLOW}))
    over = dataclasses.replace(warning, valid_until=5 * MINUTE)
    assert engine.event(over, 4 * MINUTE, offset=1) == []
    assert brief(engine.progress(6 * MINUTE)) == [(5, "cleared", NONE)]


def test_an_event_to_come_raises_when_it_comes() -> None:
    engine = CouplingEngine(couplings("{when: {all: [{event: storm}, {rule: flood.high}]}}"))
    play(engine, story("flood.high", "m", {2: YELLOW}))
    assert engine.event(Event("e", "storm", ORANGE, "c", "", 60 * MINUTE, 99 * MINUTE, "w"), 3 * MINUTE) == []
    assert brief(engine.progress(60 * MINUTE)) == [(60, "raised", RED)]


def test_an_event_in_a_polygon_counts_for_what_lies_in_it() -> None:
    sensors = {
        name: Sensor(name, "", name, "c/d/s/m/g", "", 30.0, lon) for name, lon in (("in", 112.5), ("out", 113.5))
    }
    polygon = "POLYGON ((112 29, 113 29, 113 31, 112 31, 112 29))"
    engine = CouplingEngine(couplings("{when: {all: [{event: quake}, {rule: gas.low}]}}"), Snapshot(1, sensors, {}))
    engine.event(Event("e", "quake", RED, "", polygon, 0, 99 * MINUTE, "bulletin"), 0)
    assert play(engine, story("gas.low", "out", {1: RED})) == []
    assert len(play(engine, story("gas.low", "in", {1: RED}))) == 1


def test_assets_that_cross_are_the_same_place() -> None:
    assets = {
        name: Asset(name, "pipe", name, "c", geometry_wkt=wkt)
        for name, wkt in (
            ("ew", "LINESTRING (112 30, 112.01 30)"), ("ns", "LINESTRING (112.005 29.99, 112.005 30.01)"),
            ("far", "LINESTRING (112 30.1, 112.01 30.1)"), ("hole", "POINT (112.002 30.00003)"),
        )
    }  # fmt: skip
    text = "{when: {all: [{rule: gas.low}, {rule: flood.high}]}, related: {same: asset}}"
    for name, meets in (("ns", True), ("hole", True), ("ew", True), ("far", False)):
        engine = CouplingEngine(couplings(text), Snapshot(1, {}, assets))
        log = story("gas.low", "p", {1: RED}, asset_id="ew") + story("flood.high", "m", {1: RED}, asset_id=name)
        assert bool(play(engine, log)) == meets, name


def logs(seed: int, alerts: int):
    """Signals of gas and flood alerts in two grids; those of one alert in order, the rest mixed."""
    rng = random.Random(seed)
    stories = []
    for number in range(alerts):
        rule, grid, start = rng.choice(["gas.low", "flood.high"]), rng.choice("gh"), rng.randrange(30)
        steps = {start: Level(rng.randrange(1, 5)), start + 2: Level(rng.randrange(1, 5))}
        if rng.random() < 0.7:
            steps[start + 3 + rng.randrange(10)] = NONE
        stories.append(story(rule, f"s{number}", steps, zone=f"c/d/s/m/{grid}"))
    log, rests = [], [list(one) for one in stories]
    while any(rests):
        log.append(rng.choice([rest for rest in rests if rest]).pop(0))
    return stories, log


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_one_signal_a_condition_gives_the_same_in_any_order(seed: int, order: int) -> None:
    rng = random.Random(seed)
    gas_at, flood_at = rng.randrange(20), rng.randrange(20)
    log = story("gas.low", "p", {gas_at: Level(rng.randrange(1, 5)), gas_at + 3: Level(rng.randrange(1, 5))})
    log += story("flood.high", "m", {flood_at: Level(rng.randrange(1, 5))})
    mixed = list(log)
    random.Random(order).shuffle(mixed)
    mixed.sort(key=lambda one: (one.sensor_id == "p") * one.sequence)  # a sensor's own signals keep their order
    results = []
    for one in (sorted(log, key=lambda s: s.at), mixed):
        engine = CouplingEngine(couplings(PAIR))
        found = [s for signal in one for s in engine.signal(signal, 60 * MINUTE)]
        results.append((found[0].alert_id, found[0].onset_at, found[-1].level, found[-1].contributing))
    assert results[0] == results[1]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 14))
def test_where_it_holds_in_the_end_does_not_depend_on_the_order(seed: int, alerts: int) -> None:
    stories, mixed = logs(seed, alerts)
    open_ = [[one for one in story_ if one.transition != "cleared"] for story_ in stories]
    kept = {one.signal_id for story_ in open_ for one in story_}
    results = []
    for log in ([one for story_ in open_ for one in story_], [one for one in mixed if one.signal_id in kept]):
        engine = CouplingEngine(couplings(PAIR))
        last = {}
        for signal in log:
            last |= {one.alert_id: one for one in engine.signal(signal, 90 * MINUTE)}
        results.append({(one.zone, one.level, tuple(one.contributing)) for one in last.values()})
    assert results[0] == results[1]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 14), st.integers(0, 60), st.integers(0, 10))
def test_stopped_anywhere_and_fed_doubles_it_gives_the_same(seed: int, alerts: int, cut: int, doubled: int) -> None:
    _, log = logs(seed, alerts)
    timed = [(signal, (30 + number) * MINUTE) for number, signal in enumerate(log)]
    whole = CouplingEngine(couplings(PAIR))
    expected = [[*whole.signal(signal, at)] for signal, at in timed]
    cut = min(cut, len(timed))
    first = CouplingEngine(couplings(PAIR))
    got = [[*first.signal(signal, at)] for signal, at in timed[:cut]]
    second = CouplingEngine(couplings(PAIR))
    second.restore(json.loads(json.dumps(first.export())))
    assert json.dumps(second.export()) == json.dumps(first.export())
    for signal, _ in timed[max(0, cut - doubled) : cut]:
        assert second.signal(signal, timed[cut - 1][1]) == []
    got += [[*second.signal(signal, at)] for signal, at in timed[cut:]]
    assert str(got) == str(expected)  # as text, because NaN is not itself
    assert str(second.progress(10**12)) == str(whole.progress(10**12))


def test_what_ended_long_ago_is_forgotten() -> None:
    engine = CouplingEngine(couplings(PAIR))
    for number in range(100):
        play(engine, story("gas.low", f"p{number}", {10 * number: RED, 10 * number + 1: NONE}))
    assert len(engine) < 20
