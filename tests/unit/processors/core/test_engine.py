"""What the engine judges, counts and says; that it does so however the log is cut is in test_engine_properties."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from processors.core.engine import Engine
from processors.ruleset import load_rules
from schemas.batch import Mode
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import EMPTY, Sensor, Snapshot
from tests.unit.processors.core.support import KIND, T0, batch, registry, rule_set

NAN = math.nan
RULES = rule_set("""
- {id: t.high, value: "a - or_else(attr.zero, 0)", above: {blue: 10, red: 20}, evidence: {mean_b: "mean(b, 1m)"}}
- {id: t.low, value: "min(a, 30s)", below: {yellow: -5}}
""")


def engine(**sensors: dict[str, float]) -> Engine:
    return Engine(KIND, RULES, registry(sensors or {"s": {}, "r": {}}), partition=4)


def test_signals_come_in_log_order_then_rule_order_with_their_place_in_the_log() -> None:
    log = [("s", 0, -30, 1), ("r", 0, 50, 1), ("s", 1000, 50, 1), ("r", 1000, -9, 1)]
    signals = engine().process(batch(log), offset=77, log_time=T0)
    said = [(s.log_index, s.rule_id, s.sensor_id, s.transition, s.level.word) for s in signals]
    assert said == [
        (0, "t.low", "s", "raised", "yellow"),
        (1, "t.high", "r", "raised", "red"),
        (2, "t.high", "s", "raised", "red"),
        (3, "t.high", "r", "cleared", "none"),
        (3, "t.low", "r", "raised", "yellow"),
    ]
    assert {(s.log_partition, s.log_offset, s.mode, s.kind) for s in signals} == {(4, 77, "live", "probe")}


def test_a_signal_says_why() -> None:
    judge = engine(s={"zero": 3})
    signal = judge.process(batch([("s", 0, 4, 2), ("s", 5000, 15, NAN)]), 0, 0)[0]
    assert (signal.level, signal.previous_level, signal.value, signal.onset_at, signal.at) == (
        Level.BLUE, Level.NONE, 12.0, T0 + 5000, T0 + 5000,
    )  # fmt: skip
    assert json.loads(signal.evidence) == {
        "expression": "a - or_else(attr.zero, 0)",
        "value": 12.0,
        "thresholds": {"blue": {"above": 10.0}, "red": {"above": 20.0}},
        "windows": {"mean(b, 1m)": 2.0},
        "fields": {"a": 15.0},
        "attributes": {"zero": 3.0},
        "mean_b": 2.0,
    }
    assert Signal.decode(signal.encode()) == signal


def test_ids_are_a_function_of_rule_sensor_and_onset_or_sequence() -> None:
    log = [("s", 0, 15, 1), ("s", 1000, 25, 1), ("s", 2000, 0, 1), ("s", 3000, 15, 1)]
    first, second = engine().process(batch(log), 0, 0), engine().process(batch(log), 9, 0)
    assert [s.signal_id for s in first] == [s.signal_id for s in second]
    assert [s.sequence for s in first] == [1, 2, 3, 4]
    alerts = [s.alert_id for s in first]
    assert alerts[0] == alerts[1] == alerts[2] != alerts[3]
    drill = engine().process(batch(log, Mode.EXERCISE, run_id="r1"), 0, 0)
    assert not {s.alert_id for s in drill} & set(alerts)


def test_what_is_not_judged_is_counted() -> None:
    judge = engine()
    log = [("s", 10_000, 15, 1), ("x", 10_000, 99, 1), ("s", 10_000, 99, 1), ("s", 20_000, 15, 1), ("r", 1000, 99, 1)]
    signals = judge.process(batch(log, late=[False, False, False, False, True]), 0, 0)
    assert [s.level for s in signals] == [Level.BLUE]  # the first of the double counts
    assert judge.process(batch([("s", 30_000, 99, 1)], Mode.HISTORY), 1, 0) == []
    assert judge.counts.as_dict() == {
        "judged": 2, "history": 1, "late": 1, "unregistered": 1, "doubled": 1, "too_old": 0,
    }  # fmt: skip
    assert judge.counts.read == 6


@pytest.mark.parametrize("cut", [14, 13, 1])
def test_a_time_that_has_fallen_out_of_the_memory_is_too_old_to_be_told_from_a_double(cut: int) -> None:
    judge = engine()  # remembers 12 times: max_delay_s of 120 by a period of 10 s
    log = [("s", i * 10_000, 0.0, 0.0) for i in range(14)]  # 0 s and 10 s are forgotten
    for start in range(0, 14, cut):
        judge.process(batch(log[start : start + cut]), start, 0)

    def outcome(*seconds: float) -> tuple[int, int, int]:
        judge.process(batch([("s", round(second * 1000), 0.0, 0.0) for second in seconds]), 99, 0)
        return judge.counts.judged, judge.counts.too_old, judge.counts.doubled

    assert outcome(5, 10) == (14, 2, 0)
    # 10.001 s takes the place of 20 s in the memory, so that 20 s is forgotten before it comes again
    assert outcome(10.001, 20) == (15, 3, 0)
    assert outcome(30, 25) == (16, 3, 1)


def test_a_drill_neither_feeds_nor_ends_what_is_watched_live() -> None:
    judge = engine()
    assert len(judge.process(batch([("s", 0, 15, 1)]), 0, 0)) == 1
    drill = judge.process(batch([("s", 0, 25, 1), ("s", 1000, 0, 1)], Mode.EXERCISE, run_id="r1"), 1, 0)
    assert [(s.transition, s.mode, s.sequence) for s in drill] == [
        ("raised", "exercise", 1),
        ("cleared", "exercise", 2),
    ]
    assert [s.transition for s in judge.process(batch([("s", 1000, 0, 1)]), 2, 0)] == ["cleared"]


def test_a_sensor_is_judged_from_its_registration_on() -> None:
    judge = Engine(KIND, RULES, EMPTY, 0)
    assert judge.process(batch([("s", 0, 99, 1)]), 0, 0) == []
    judge.set_registry(registry({"s": {}}, version=2), 1, 0)
    assert [s.registry_version for s in judge.process(batch([("s", 1000, 99, 1)]), 1, 0)] == [2]
    other = Sensor("s", "rainfall", "s", "c", "gas")
    cleared = judge.set_registry(Snapshot(3, {"s": other}, {}), 2, 0)
    assert [(s.transition, s.registry_version, s.zone) for s in cleared] == [("cleared", 3, "c/d")]
    assert judge.process(batch([("s", 2000, 0, 1)]), 2, 0) == []
    assert judge.counts.unregistered == 2


def test_a_batch_that_names_a_sensor_twice_is_judged_as_if_once() -> None:
    twice = batch([("s", 0, 15, 1), ("r", 0, 0, 1), ("s", 1000, 0, 1)])
    twice.sensor_ids, twice.sensor = ["s", "r", "s"], np.array([0, 1, 2], np.int32)
    assert [s.transition for s in engine().process(twice, 0, 0)] == ["raised", "cleared"]


def test_a_batch_of_another_kind_is_refused() -> None:
    wrong = batch([])
    wrong.kind = "rainfall"
    with pytest.raises(ValueError, match="this engine judges probe, not rainfall"):
        engine().process(wrong, 0, 0)
    assert engine().process(batch([]), 0, 0) == []


def test_state_is_put_back_in_order() -> None:
    judge = engine()
    judge.process(batch([("s", 0, 15, 1), ("r", 0, 15, 1)]), 0, 0)
    fresh = engine()
    with pytest.raises(ValueError, match="state of slot 1 follows, but slot 0 is the next"):
        fresh.restore(judge.export(1, 2))


@pytest.mark.parametrize(
    ("kind", "profile", "period_s"),
    [
        ("gas_pressure", "low-pressure", 1), ("gas_concentration", "", 60), ("water_network", "service", 1),
        ("gas_pressure", "medium-pressure", 5),
        ("water_network", "inlet", 1),
        ("water_leak_acoustics", "", 86_400),
        ("bridge_strain", "", 0.01), ("water_level", "underpass", 60), ("rainfall", "", 60),
    ],
)  # fmt: skip
def test_the_shipped_rules_keep_at_most_4_kb_a_sensor(kind: str, profile: str, period_s: float) -> None:
    kinds = load_kinds()
    sensor = Sensor("s", kind, "s", "c", "gas", profile=profile, attributes={"period_s": period_s, "zero_ue": 0.0})
    judge = Engine(kinds[kind], load_rules(None, kinds), Snapshot(1, {"s": sensor}, {}), 0)
    reading = batch([("s", 0, 1, 1)])
    reading.kind = kind
    reading.values = {field.name: np.array([1.0]) for field in kinds[kind].fields}
    judge.process(reading, 0, 0)
    assert sum(column.nbytes for column in judge.export(0, 1).columns.values()) <= 4096
