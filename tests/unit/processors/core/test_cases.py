"""Stories: the series notation, and what a failure says."""

from __future__ import annotations

import math

import pytest

from processors.core.cases import Case, CaseError, parse_series, run_case
from tests.unit.processors.core.support import KIND, rule_set

RULES = rule_set("- {id: t.high, value: a, above: {blue: 10}}")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", [1]),
        ("2.0x3 -1", [2, 2, 2, -1]),
        ("2.0-0.05x5", [2.0, 1.95, 1.9, 1.85, 1.8]),
        ("-1+0.5x3", [-1, -0.5, 0]),
        ("1e3 +4", [1000, 4]),
    ],
)
def test_series(text: str, values: list[float]) -> None:
    assert parse_series(text) == values


def test_missing_readings() -> None:
    assert [math.isnan(value) for value in parse_series("1 _ _x2 2")] == [False, True, True, True, False]


@pytest.mark.parametrize("text", ["", "a", "1x", "1+2", "_+1x2", "1 x3", "1--2x3"])
def test_a_term_that_is_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r"not understood|empty"):
        parse_series(text)


def story(series: dict[str, str], expect: list[dict[str, object]], rule: str = "t.high") -> Case:
    return Case.model_validate({"name": "n", "rule": rule, "every": "10s", "series": series, "expect": expect})


def test_a_failure_says_what_was_expected_and_what_came() -> None:
    rules, kinds = RULES, {"probe": KIND}
    good = [{"at": "10s", "level": "blue", "value": 11}, {"at": "20s", "cleared": True}]
    assert run_case(story({"a": "1 11 1"}, good), rules, kinds).problem == ""
    assert run_case(story({"a": "1 11 1"}, []), rules, kinds).problem == "expected no signal; got 10s blue, 20s cleared"
    assert (
        run_case(story({"a": "1 1 1"}, good), rules, kinds).problem == "expected 10s blue, 20s cleared; got no signal"
    )
    wrong = [{"at": "10s", "level": "blue", "value": 12}, {"at": "20s", "cleared": True}]
    assert run_case(story({"a": "1 11 1"}, wrong), rules, kinds).problem == "expected 10s blue (12); got the value 11"


@pytest.mark.parametrize(("mode", "problem"), [("peace", "expected 0s blue; got no signal"), ("emergency", "")])
def test_a_story_in_an_emergency(mode: str, problem: str) -> None:
    rules = rule_set("- {id: t.high, value: a, above: {blue: 10}, schedule: {mode: emergency}}")
    case = story({"a": "11"}, [{"at": "0s", "level": "blue"}]).model_copy(update={"mode": mode})
    assert run_case(case, rules, {"probe": KIND}).problem == problem


@pytest.mark.parametrize(
    ("case", "key", "message"),
    [
        (story({"c": "1"}, []), "series", "`c` is not a field of probe; fields: a, b"),
        (story({"a": "1", "b": "1x2"}, []), "series", "the series differ in length: 1, 2 values"),
        (story({"a": "1"}, [], rule="t.none"), "rule", "there is no rule 't.none'"),
    ],
)
def test_a_story_that_cannot_be_played(case: Case, key: str, message: str) -> None:
    with pytest.raises(CaseError, match=message) as raised:
        run_case(case, RULES, {"probe": KIND})
    assert raised.value.key == key
