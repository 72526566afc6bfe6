"""The drawing of a story: bars, and signals at their readings."""

from __future__ import annotations

from processors.core.cases import Case, run_case
from riskstream.story_drawing import draw_story
from tests.unit.processors.core.support import KIND, rule_set

RULES = rule_set("- {id: t.high, value: a, above: {blue: 10, red: 20}}")


def drawn(series: str, expect: list[dict[str, object]], width: int = 72) -> list[str]:
    story = {"name": "n", "rule": "t.high", "every": "10s", "series": {"a": series}, "expect": expect}
    return draw_story(run_case(Case.model_validate(story), RULES, {"probe": KIND}), width)


def test_each_reading_is_a_bar_and_signals_stand_under_theirs() -> None:
    assert drawn("0 11 _ 21 35 3", [{"at": "10s", "level": "blue"}, {"at": "40s", "level": "red"}]) == [
        "a         ▁▃ ▅█▂  0 to 35",
        "expected   b  r",
        "got        b r c",
    ]


def test_a_long_series_is_pressed_together() -> None:
    assert drawn("0x10 15x10", [], width=10) == [
        "a         ▁▁▁▁▁█████  0 to 15, 20s a character",
        "expected",
        "got            b",
    ]


def test_signals_beyond_the_series_and_a_flat_one() -> None:
    assert drawn("5x3", [{"at": "1h", "level": "blue"}]) == ["a         ▁▁▁  5 to 5", "expected", "got"]
