"""What stays and what ends when rules or registry change; that it is exact is in test_engine_properties."""

from __future__ import annotations

import json

from processors.core.engine import Engine
from schemas.records import Signal
from tests.unit.processors.core.support import KIND, T0, batch, registry, rule_set

RULE = 't.high, value: "mean(a, 60s)"'


def engine(rules: str) -> Engine:
    return Engine(KIND, rule_set(rules), registry({"s": {}}), 0)


def said(signals: list[Signal]) -> list[tuple[str, str, int]]:
    return [(s.transition, s.level.word, s.at - T0) for s in signals]


def read(judge: Engine, second: float, value: float) -> list[tuple[str, str, int]]:
    return said(judge.process(batch([("s", round(second * 1000), value, 0)]), 0, 0))


def test_an_open_alert_stays_open_and_moves_by_the_new_thresholds() -> None:
    judge = engine(f"- {{id: {RULE}, above: {{blue: 5}}}}")
    assert read(judge, 0, 8) == [("raised", "blue", 0)]
    assert judge.set_rules(rule_set(f"- {{id: {RULE}, above: {{blue: 5, red: 7}}}}"), 1, 0) == []
    raised = judge.process(batch([("s", 1000, 8, 0)]), 2, 0)
    assert said(raised) == [("changed", "red", 1000)]
    assert (raised[0].sequence, raised[0].onset_at) == (2, T0)


def test_a_window_is_kept() -> None:
    judge = engine("- {id: t.sum, value: 'sum(a, 60s)', above: {blue: 100}}")
    read(judge, 0, 4)
    judge.set_rules(rule_set("- {id: t.mean, value: 'mean(a, 60s)', above: {blue: 5}}"), 1, 0)
    assert read(judge, 1, 5.8) == []  # (4 + 5.8) / 2
    assert read(judge, 2, 5.8) == [("raised", "blue", 2000)]


def test_what_is_timed_goes_on_only_under_the_same_levels() -> None:
    for levels, expected in (("{blue: 5}", [("raised", "blue", 20_000)]), ("{blue: 4}", [])):
        judge = engine("- {id: t.high, value: a, above: {blue: 5}, for: 20s}")
        read(judge, 0, 8)
        judge.set_rules(rule_set(f"- {{id: t.high, value: a, above: {levels}, for: 20s}}"), 1, 0)
        assert read(judge, 20, 8) == expected


def test_alerts_of_a_rule_that_is_gone_or_judges_another_number_are_cleared() -> None:
    for later in ("- {id: t.other, value: a, above: {blue: 5}}", "- {id: t.high, value: 2 * a, above: {blue: 5}}"):
        judge = engine("- {id: t.high, value: a, above: {blue: 5}}")
        read(judge, 3, 8)
        ended = judge.set_rules(rule_set(later), 7, 0)
        assert said(ended) == [("cleared", "none", 3000)]
        assert (ended[0].rule_id, ended[0].sequence, ended[0].log_offset) == ("t.high", 2, 7)
        assert "ended" in json.loads(ended[0].evidence)
        assert read(judge, 4, 8) == [("raised", "blue", 4000)]


def test_a_rule_that_comes_back_goes_on_counting_its_signals() -> None:
    rules, none = "- {id: t.high, value: a, above: {blue: 5}}", "- {id: t.no, value: a, above: {blue: 500}}"
    judge = engine(rules)
    read(judge, 0, 8)
    judge.set_rules(rule_set(none), 1, 0)
    fresh = engine(none)
    fresh.restore(judge.export())
    fresh.set_rules(rule_set(rules), 2, 0)
    assert [s.sequence for s in fresh.process(batch([("s", 1000, 8, 0)]), 3, 0)] == [3]


def test_an_alert_ends_where_the_rule_no_longer_applies() -> None:
    judge = Engine(
        KIND, rule_set("- {id: t.high, where: {profile: x}, value: a, above: {blue: 5}}"),
        registry({"s": {"profile": "x"}, "r": {"profile": "x"}}), 0,
    )  # fmt: skip
    judge.process(batch([("s", 0, 8, 0), ("r", 1000, 8, 0)]), 0, 0)
    ended = judge.set_registry(registry({"s": {"profile": "y"}}, 2), 1, 0)
    assert [(s.sensor_id, s.transition, s.at - T0, s.registry_version) for s in ended] == [
        ("r", "cleared", 1000, 2),
        ("s", "cleared", 0, 2),
    ]
    assert judge.set_registry(registry({"s": {"profile": "x"}}, 3), 2, 0) == []
    assert read(judge, 5, 8) == [("raised", "blue", 5000)]
