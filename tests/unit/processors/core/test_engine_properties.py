"""The same log, cut into other batches, stopped and recovered anywhere, gives the same signals: those of the reference.

Each case draws a log and a handful of the rules. `RISKSTREAM_EXAMPLES` sets how many logs of the first property are
tried, in parts that can run beside each other; of nights and of usual levels, a fifth as many each.
"""

from __future__ import annotations

import dataclasses
import math
import os
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.core.definition import RuleDefinition
from processors.core.engine import Engine
from processors.core.rule import Rule
from processors.core.rules import RuleSet
from schemas.batch import Mode
from schemas.records import Signal
from schemas.rule_versions import Modes, ZoneMode
from tests.unit.processors.core.reference import Reference
from tests.unit.processors.core.support import KIND, T0, batch, compiled, registry

EXAMPLES = int(os.environ.get("RISKSTREAM_EXAMPLES", "1000"))
PARTS = 8

RULES = compiled("""
- {id: t.mean, value: "mean(a, 60s)", above: {blue: 2, yellow: 4, red: 6}, for: 20s, clear: {below: 1.5, for: 30s}}
- {id: t.median, value: "median(a, 60s)", below: {blue: 2, yellow: 1, orange: 0, red: -1}, for: {red: 2 readings}}
- {id: t.value, value: a, above_or_equal: {yellow: 5, orange: 6}, for: {yellow: 2 readings}, clear: {for: 2 readings}}
- {id: t.range, value: "range(a, 45s)", above: {blue: 1, orange: 4}, clear: {below: 0.5}}
- {id: t.extremes, value: "max(a, 40s) + min(b, 30s)", outside: {blue: [0, 5], red: [-2, 8]}, clear: {inside: [1, 4]}}
- {id: t.rate, value: "60 * rate(a, 60s)", above: {blue: 1, yellow: 3}, and: {yellow: "last(a, 60s) > 2"}}
- {id: t.change, value: "abs(change(a, 2m))", above_or_equal: {blue: 2, red: 5}, clear: {for: 1m}}
- {id: t.sums, when: {blue: "sum(b, 2m) > 6", yellow: "sum(b, 1m) > 6 or count(b, 30s) > 4"}}
- {id: t.long, value: "mean(b, 10m) - median(b, 10m)", above: {blue: 0.2, yellow: 1}, clear: {below: 0.1}}
- {id: t.attributes, where: {profile: [x, y]}, value: "a - attr.zero - if(has(attr.k), attr.k * last(b, 2m), 0)",
   above: {blue: attr.limit - 1, yellow: attr.limit}, clear: {below: attr.zero + 1}}
- {id: t.choice, value: "or_else(last(b, 20s), greatest(a, -1)) / least(mean(a, 20s), 3)", above: {blue: 1, red: 2},
   clear: {when: "not (a > 3 and b > 1)"}}
- {id: t.silent, kind: "*", no_data: {blue: "max(3 periods, 20s)", red: 50s}}
- {id: t.stuck, value: a, stuck: {blue: "max(3 periods, 15s)", yellow: 60s}, and: {blue: a > 1}, clear: {for: 20s}}
- {id: t.night, value: 'min(a, hours("03:40-03:52"))', above: {blue: 0, yellow: 3}, nights: {at_least: 2, of: 3}}
- {id: t.nights, when: {blue: 'range(a, hours("23:50-03:48")) + mean(a, hours("23:50-03:48")) > 3'},
   nights: {at_least: 1, of: 2}, clear: {when: 'count(b, hours("23:50-03:48")) > 1'}}
- {id: t.forecast, value: "forecast(2 * a, 60s, until=9)", below: {blue: 60, red: 20}}
- {id: t.line, value: "fitted(a, 10m) + 60 * trend(b, 2m)", above: {blue: 2, red: 5}}
- {id: t.spread, value: "std(a, 40s) + std(b, 5m)", above: {blue: 0.5, yellow: 2}, clear: {below: 0.4}}
- {id: t.quantiles, value: "quantile(a, 60s, 0.9) - quantile(a, 60s, 0.25)", above: {blue: 1, red: 3},
   clear: {when: "quantile(b, 5m, 0.37) < 2"}}
- {id: t.noise, value: 'std(a, hours("03:40-03:52"))', above: {blue: 0.5, yellow: 2}}
- {id: t.each, value: "mean(a, each(20s)) + max(b, each(1m)) - min(a, each(10m))", above: {blue: 1, red: 4}}
- {id: t.each-ends, value: "60 * rate(a, each(1m)) + change(b, each(45s)) + last(a, each(20s))", above: {blue: 1, red: 5}}
- {id: t.each-means, value: "quantile(a, each(1m), 0.7) - median(b, each(10m))", outside: {blue: [-1, 1], red: [-3, 3]}}
- {id: t.each-day, value: "range(a, each(1d)) + std(a, each(2d)) + sum(b, each(36h))", above: {blue: 1, red: 8}}
- {id: t.each-count, when: {blue: "count(a, each(10m)) < 3", red: "count(b, each(20s)) > 3"}, clear: {for: 2 readings}}
- {id: t.hours, value: a, above: {blue: 0, red: 4}, schedule: {hours: ["03:40-03:52", "23:50-03:10"]},
   clear: {below: -100, for: 5s}}
- {id: t.season, value: a, above: {blue: 1}, schedule: {seasons: ["01-02..01-03", "12-30..01-01"], mode: peace}}
- {id: t.emergency, value: a, above: {yellow: 0}, for: 10s, schedule: {mode: emergency}}
- {id: t.usual, value: "mean(a, 30s) - same_hour_median(a, 3d)", outside: {blue: [-1, 1], red: [-3, 3]}}
- {id: t.lowest, value: 'least(a, 4) - usual_minimum(a, hours("03:40-03:52"), 2d)', above: {blue: 0.5, yellow: 3}}
- {id: t.moved, value: "abs(mean(a, 60s) - usual_level(a, 3h))", above: {blue: 1, red: 3}, for: 20s, clear: {below: 0.5, for: 30s}}
- {id: t.moved-from-zero, value: "a - or_else(attr.zero, usual_level(a, 2h)) + usual_level(b, 2h)", outside: {blue: [-1, 1]},
   clear: {for: 2 readings}}
""")

# after the switch: other thresholds, another value, another `for`, a rule less, new windows beside old ones
LATER = compiled("""
- {id: t.silent, kind: "*", no_data: {yellow: 30s, red: 70s}}
- {id: t.mean, value: "mean(a, 60s)", above: {blue: 1, yellow: 5}, for: 20s, clear: {below: 1.5, for: 30s}}
- {id: t.median, value: "median(a, 30s)", below: {blue: 2, yellow: 1}}
- {id: t.range, value: "range(a, 45s)", above: {blue: 1, orange: 4}, clear: {below: 0.5}}
- {id: t.extremes, value: "max(a, 40s) + min(b, 30s)", outside: {blue: [0, 5], red: [-2, 8]}, for: 15s}
- {id: t.rate, value: "60 * rate(a, 60s)", above: {blue: 1, yellow: 3}, and: {yellow: "last(a, 60s) > 2"}}
- {id: t.sums, when: {blue: "median(b, 2m) > 3", yellow: "sum(b, 1m) > 6 or last(b, 30s) > 4"}}
- {id: t.attributes, where: {profile: [y, z]}, value: "a - attr.zero - if(has(attr.k), attr.k * last(b, 2m), 0)",
   above: {blue: attr.limit - 1, yellow: attr.limit}, clear: {below: attr.zero + 1}}
- {id: t.stuck, value: a, stuck: {blue: "max(2 periods, 15s)", yellow: 40s}, clear: {for: 20s}}
- {id: t.night, value: 'min(a, hours("03:40-03:52"))', above: {blue: 1, yellow: 2}, nights: {at_least: 1, of: 2}}
- {id: t.nights, when: {blue: 'range(a, hours("23:50-03:48")) + mean(a, hours("23:50-03:48")) > 3'},
   nights: {at_least: 1, of: 2}}
- {id: t.season, value: a, above: {blue: 1}, schedule: {seasons: ["01-02..01-03", "12-30..01-01"], mode: peace}}
- {id: t.emergency, value: a, above: {yellow: 0}, for: 10s, schedule: {mode: emergency, hours: "03:00-04:00"}}
- {id: t.usual, value: "mean(a, 30s) - same_hour_median(a, 3d)", outside: {blue: [-0.5, 0.5]}}
- {id: t.lowest, value: 'least(a, 4) - usual_minimum(a, hours("03:40-03:52"), 1d)', above: {blue: 0.5, yellow: 3}}
- {id: t.moved, value: "abs(mean(a, 60s) - usual_level(a, 3h))", above: {blue: 2, red: 3}, for: 20s, clear: {below: 0.5, for: 30s}}
- {id: t.moved-fresh, value: "a - or_else(attr.zero, usual_level(a, 2h)) - usual_level(a, 4h)", outside: {yellow: [-1, 1]}}
- {id: t.each, value: "mean(a, each(20s)) + sum(a, each(1m)) - range(a, each(10m))", above: {blue: 1, red: 4}}
- {id: t.each-ends, value: "60 * rate(b, each(45s)) + last(a, each(20s))", above: {blue: 1, red: 5}}
- {id: t.each-means, value: "quantile(a, each(1m), 0.3) - median(a, each(10m))", outside: {blue: [-1, 1], red: [-3, 3]}}
- {id: t.each-day, value: "range(a, each(1d)) + quantile(a, each(1d), 0.9)", above: {blue: 1, red: 8}}
- {id: t.each-count, when: {blue: "count(a, each(10m)) < 3", red: "count(a, each(20s)) > 3"}}
- {id: t.fresh, value: "change(a, 60s) + range(a, 40s) + max(b, 30s)", above: {blue: 2, red: 6}}
- {id: t.spread, value: "std(a, 60s) + std(b, 5m)", above: {blue: 0.5, yellow: 2}}
- {id: t.quantiles, value: "quantile(a, 60s, 1) - quantile(a, 60s, 0.1)", above: {blue: 1, red: 3}}
- {id: t.middle, value: "quantile(b, 1m, 0.5)", below: {blue: 2, red: 0}}
""")

IDS = sorted({rule.id for rule, _ in RULES + LATER})
OF_DAYS = [
    *("t.night", "t.nights", "t.noise", "t.hours", "t.season", "t.usual", "t.lowest", "t.each-day", "t.each-count"),
    *("t.long", "t.stuck", "t.silent"),
]
OF_LEVELS = [name for name in IDS if name.startswith("t.moved")]

SENSORS: dict[str, dict[str, Any]] = {
    "one": {"period_s": 1.0, "profile": "x", "zero": 1.0, "limit": 3.0},
    "ten": {"period_s": 10.0, "profile": "y", "zero": 0.5, "limit": 2.5, "k": 0.5},
    "slow": {"period_s": 60.0, "profile": "z"},
    "fast": {"period_s": 0.2, "profile": "x", "zero": 0.0},
}
CHANGED = {**SENSORS, "ten": {"period_s": 5.0, "profile": "z"}, "one": {**SENSORS["one"], "limit": 1.5, "zero": 0.0}}
del CHANGED["slow"]

# (sensor, how far its time moves, how many readings, first value, step, b)
burst = st.tuples(
    st.sampled_from([*SENSORS, "stranger"]),
    st.one_of(
        st.sampled_from([1000, 10_000, 10_000, 200, 3000, 0, -1000, -7000, -25_000]),
        st.integers(-40_000, 40_000),
        st.sampled_from([90_000, 700_000, 3_600_000, 82_800_000, 86_300_000, 86_400_000, -200_000]),
    ),
    st.integers(1, 14),
    st.integers(-30, 80).map(lambda v: v / 10),
    st.sampled_from([0.0, 0.0, 0.1, 0.5, -0.5]),
    st.sampled_from([math.nan, 0.0, 1.0, 3.5]),
    st.sampled_from([1.0, 1.0, 1.0, 0.0, -1.0]),
)
logs = st.lists(burst, min_size=1, max_size=25)


def readings_of(bursts: list[Any]) -> list[tuple[str, int, float, float]]:
    """The log: each burst starts where its sensor's last one ended, moved on (or back)."""
    ends = dict.fromkeys([*SENSORS, "stranger"], 10_000_000)
    log = []
    for sensor, move, count, first, change, b, direction in bursts:
        period = int(float(SENSORS.get(sensor, {"period_s": 10.0})["period_s"]) * 1000 * direction)
        time = ends[sensor] + move
        for number in range(count):
            log.append(
                (sensor, time + number * period, round(first + number * change, 1), b if number % 3 else math.nan)
            )
        ends[sensor] = max(time, time + (count - 1) * period)
    return log


def said(signal: Signal, start: int) -> tuple[Any, ...]:
    return (
        start + signal.log_index, signal.rule_id, signal.sensor_id, signal.mode, signal.transition, int(signal.level),
        int(signal.previous_level), signal.onset_at, signal.at, signal.sequence, repr(signal.value),
    )  # fmt: skip


def at_start(start: int, said: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(start + index, *rest) for index, *rest in said]


def set_of(pairs: list[tuple[Rule, RuleDefinition]]) -> RuleSet:
    return RuleSet(tuple(rule for rule, _ in pairs), timezone="Europe/Berlin")


def tried(share: int) -> settings:
    """A part of so large a share of the examples."""
    return settings(
        max_examples=max(1, EXAMPLES // share),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def recovered(engine: Engine, sensors: dict[str, dict[str, Any]], version: int, split: int) -> Engine:
    """A new engine with the state of another, taken out in two ranges of slots."""
    fresh = Engine(KIND, engine.rule_set, registry(sensors, version), partition=3)
    fresh.log_time, fresh.modes = engine.log_time, engine.modes
    middle = split % (len(engine) + 1)
    for state in (engine.export(0, middle), engine.export(middle)):
        fresh.restore(state)
    fresh.counts = engine.counts
    return fresh


@pytest.mark.parametrize("part", range(PARTS))
@tried(PARTS)
@given(bursts=logs, data=st.data())
def test_signals_do_not_depend_on_the_cut_and_are_those_of_the_reference(
    part: int, bursts: list[Any], data: st.DataObject
) -> None:
    compare(readings_of(bursts), data, IDS)


# visits of a sensor: days since its last one, minute of the day (UTC), readings, seconds between, first value, step
visit = st.tuples(
    st.sampled_from(["one", "ten", "slow"]),
    st.sampled_from([1, 1, 1, 1, 1, 2, 0, 5]),
    st.sampled_from([157, 159, 160, 161, 165, 170, 171, 171, 172, 173, 1375]),
    st.integers(1, 5),
    st.sampled_from([10, 59, 61, 600, -40]),
    st.sampled_from([-1.0, 0.5, 1.0, 2.5, 4.0, 6.0]),
    st.sampled_from([0.0, 0.0, 0.1, 1.0]),
)


@pytest.mark.parametrize("part", range(2))
@tried(10)
@given(visits=st.lists(visit, min_size=4, max_size=30), data=st.data())
def test_nights_and_baselines_too(part: int, visits: list[Any], data: st.DataObject) -> None:
    days = dict.fromkeys(SENSORS, 0)
    log = []
    for sensor, gap, minute, count, spacing, first, change in visits:
        days[sensor] += gap
        start = days[sensor] * 86_400_000 + minute * 60_000
        for number in range(count):
            value = round(first + number * change, 1)
            log.append((sensor, start + number * spacing * 1000, value, value if number % 2 else math.nan))
    compare(log, data, OF_DAYS)


# visits of a sensor: minutes since its last one, readings, seconds between, value, b
hour = st.tuples(
    st.sampled_from(["one", "slow", "slow", "fast"]),
    st.sampled_from([10, 20, 30, 40, 55, 58, 60, 60, 61, 70, 120, 180, 181, 239, 260]),
    st.integers(1, 6),
    st.sampled_from([10, 59, 61, 120, 600, -40]),
    st.sampled_from([1.0, 1.0, 1.0, 1.2, 1.9, 2.5, 4.5]),
    st.sampled_from([0.0, 0.0, 0.1]),
    st.sampled_from([math.nan, 1.0, 1.0, 3.5]),
)


@pytest.mark.parametrize("part", range(2))
@tried(10)
@given(visits=st.lists(hour, min_size=4, max_size=40), data=st.data())
def test_levels_that_stand_still_while_a_rule_is_at_work(part: int, visits: list[Any], data: st.DataObject) -> None:
    minutes = dict.fromkeys(SENSORS, 0)
    log = []
    for sensor, gap, count, spacing, first, change, b in visits:
        minutes[sensor] += gap
        for number in range(count):
            value = round(first + number * change, 1)
            log.append((sensor, minutes[sensor] * 60_000 + number * spacing * 1000, value, b))
    compare(log, data, OF_LEVELS, among=IDS)


def compare(
    log: list[tuple[str, int, float, float]], data: st.DataObject, ids: list[str], among: list[str] | None = None
) -> None:
    """Judge the log by some of the rules in three cuts, the first reading by reading and by the reference too.

    The rules are some of `ids`, and a few more of those that they are `among`.
    """
    chosen = data.draw(st.sets(st.sampled_from(ids), min_size=min(4, len(ids)), max_size=8))
    chosen |= data.draw(st.sets(st.sampled_from(among), max_size=4)) if among else set()
    rules, later = ([pair for pair in pairs if pair[0].id in chosen] for pairs in (RULES, LATER))
    late = [data.draw(st.integers(0, 20)) == 0 for _ in range(2)]
    flags = [(late[0] and i % 17 == 3) or (late[1] and i % 11 == 5) for i in range(len(log))]
    modes = data.draw(st.sampled_from([(Mode.LIVE,), (Mode.LIVE, Mode.EXERCISE), (Mode.LIVE, Mode.HISTORY)]))
    change_at = data.draw(st.integers(0, 2 * len(log)))  # mostly within the log, else never
    rules_at = data.draw(st.integers(0, 2 * len(log)))
    # changes of mode, registry and rules, and of log time, are points of the log, between batches in every cut
    waits = st.sampled_from([0, 4000, 12_000, 25_000, 40_000, 55_000, 90_000])
    moves = data.draw(st.dictionaries(st.integers(0, len(log)), waits, max_size=5))
    modes_at, zone = data.draw(st.integers(0, 2 * len(log))), data.draw(st.sampled_from(["c", "c/d", "c/e"]))
    declared = Modes(7, "", "", 0, (ZoneMode(zone, "emergency", T0 + data.draw(st.sampled_from([1, 30_000, 10**9]))),))
    fixed = {len(log) // 2, change_at, rules_at, modes_at, *moves}
    expected = None
    reference = Reference(KIND, rules, registry(SENSORS, 1), "Europe/Berlin")
    for take in range(3):
        cuts = data.draw(st.sets(st.integers(0, len(log)), max_size=12)) if take else set(range(len(log)))
        edges = sorted({0, len(log), *(c for c in cuts | fixed if c <= len(log))})
        engine, sensors, version = Engine(KIND, set_of(rules), registry(SENSORS, 1), partition=3), SENSORS, 1
        log_time = T0
        signals: list[Signal] = []
        got: list[tuple[Any, ...]] = []
        plain: list[tuple[Any, ...]] = []
        for start, end in pairwise([*edges, len(log)]):
            log_time += moves.get(start, 0) if start < len(log) or end == start else 0
            new = []
            if start == change_at:
                sensors, version = CHANGED, 2
                new += engine.set_registry(registry(sensors, version), start, log_time)
                if take == 0:
                    plain += at_start(start, reference.set_registry(registry(sensors, version), log_time))
            if start == rules_at:
                new += engine.set_rules(set_of(later), start, log_time)
                if take == 0:
                    plain += at_start(start, reference.set_rules(later, log_time))
            if start == modes_at:
                new += engine.set_modes(declared, start, log_time)
                if take == 0:
                    plain += at_start(start, reference.set_modes(declared, log_time))
            mode = modes[-1] if start >= len(log) // 2 else modes[0]
            part = batch(log[start:end], mode, flags[start:end], run_id="drill")
            if take == 2 and data.draw(st.booleans()):
                engine = recovered(engine, sensors, version, start)
            new += engine.process(part, offset=start, log_time=log_time)
            signals += new
            got += [said(signal, start) for signal in new]
            if take == 0:
                plain += at_start(start, reference.process(part, log_time))
        counts = engine.counts.as_dict()
        assert sum(counts.values()) == len(log)
        evidence = [dataclasses.replace(s, log_offset=0, log_index=0, value=0.0) for s in signals]
        if take == 0:
            assert got == plain
            assert counts == {name: reference.counts[name] for name in counts}
            assert engine.counts.without_value == {
                rule.id: n for rule, _ in rules + later if (n := reference.counts[f"without value {rule.id}"])
            }
            expected = (got, counts, evidence)
        else:
            assert (got, counts, evidence) == expected
