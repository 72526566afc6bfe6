"""Every story beside the shipped rules, and that no rule lacks one."""

from __future__ import annotations

import pytest

from processors.rule_tests import Played, play_tests, untested
from processors.ruleset import load_rules
from schemas.kinds import load_kinds

KINDS = load_kinds()
RULES = load_rules(None, KINDS)
STORIES = list(play_tests(None, RULES, KINDS))


@pytest.mark.parametrize("story", STORIES, ids=lambda s: f"{s.outcome.case.rule}: {s.outcome.case.name}")
def test_story(story: Played) -> None:
    assert story.outcome.problem == "", f"{story.file}:{story.line}"


def test_every_rule_has_a_story_for_each_level_and_one_without_a_signal() -> None:
    assert untested(RULES, STORIES) == {}


def test_every_rule_says_what_to_do_in_english_and_chinese() -> None:
    assert [rule.id for rule in RULES if set(rule.title) != {"en", "zh"} or set(rule.advice) != {"en", "zh"}] == []
