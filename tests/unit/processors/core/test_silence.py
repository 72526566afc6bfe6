"""Silence by hand; that it is a function of the log is in test_engine_properties."""

from __future__ import annotations

from processors.core.engine import Engine
from schemas.batch import Mode
from schemas.records import Signal
from tests.unit.processors.core.support import KIND, batch, registry, rule_set

RULES = rule_set('- {id: t.silent, kind: "*", no_data: {blue: 20s, red: "max(3 periods, 40s)"}}')
READING = [("s", 0, 1.0, 1.0)]


def engine() -> Engine:
    judge = Engine(KIND, RULES, registry({"s": {}, "slow": {"period_s": 60}}), 0)
    judge.process(batch(READING), 0, 0)
    return judge


def said(signals: list[Signal]) -> list[tuple[str, str, int, float]]:
    return [(s.transition, s.level.word, s.at, s.value) for s in signals]


def test_silence_is_judged_at_the_newest_multiple_of_ten_seconds() -> None:
    judge = engine()
    assert judge.tick(1, 19_999) == []
    raised = judge.tick(2, 25_000)
    assert said(raised) == [("raised", "blue", 20_000, 20.0)]
    assert (raised[0].type, raised[0].onset_at, raised[0].log_offset) == ("no_data", 0, 2)
    assert judge.tick(3, 29_999) == []
    assert said(judge.tick(4, 47_000)) == [("changed", "red", 40_000, 40.0)]
    late = judge.process(batch(READING, late=[True]), 5, 52_000)  # late, but it was sent
    assert said(late) == [("cleared", "none", 52_000, 52.0)]
    assert late[0].alert_id == raised[0].alert_id


def test_a_record_of_others_moves_time_too_and_a_drill_is_not_watched() -> None:
    judge = engine()
    signals = judge.process(batch([("slow", 0, 1, 1)], Mode.EXERCISE, run_id="r"), 1, 20_000)
    assert [(s.sensor_id, s.transition, s.mode) for s in signals] == [("s", "raised", "live")]
    assert [s.sensor_id for s in judge.tick(2, 79_000)] == ["s"]


def test_time_in_which_nothing_was_written_is_nobodys_silence() -> None:
    judge = engine()
    assert judge.tick(1, 600_000) == []
    assert said(judge.tick(2, 620_000)) == [("raised", "blue", 620_000, 20.0)]


def test_log_time_never_goes_back() -> None:
    judge = engine()
    judge.tick(1, 15_000)
    assert judge.tick(2, 5000) == []
    assert judge.log_time == 15_000


def test_silence_is_recovered() -> None:
    judge = engine()
    judge.tick(1, 25_000)
    fresh = Engine(KIND, RULES, registry({"s": {}, "slow": {"period_s": 60}}), 0)
    fresh.restore(judge.export())
    fresh.log_time = judge.log_time
    assert said(fresh.tick(2, 30_000)) == []
    assert said(fresh.process(batch(READING), 3, 31_000)) == [("cleared", "none", 31_000, 31.0)]
