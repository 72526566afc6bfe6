"""The examples of docs/rules/language.md run, and it names everything that the language has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from processors.core.aggregates import AGGREGATES
from processors.core.definition import NOT_YET as KEYS_NOT_YET
from processors.core.definition import ClearDefinition, RuleDefinition, WhereDefinition
from processors.core.expression.functions import HAS, NOT_YET, SCALAR_FUNCTIONS
from processors.rule_tests import play_tests
from processors.ruleset import RuleError, RuleSet, load_rules
from schemas.kinds import load_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "rules" / "language.md").read_text(encoding="utf-8")
KINDS = load_kinds()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's examples as files: rules, and the stories about them."""
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)):
        name = f"story{number}.test.yaml" if block.startswith("tests:") else f"rules{number}.yaml"
        (tmp_path / name).write_text(block, encoding="utf-8")
    return tmp_path


def test_the_examples_are_rules_and_their_stories_pass(folder: Path) -> None:
    rules = load_rules([folder], KINDS)
    assert {rule.id for rule in rules} == {"gas.pressure.low", "doc.level"}
    played = list(play_tests([folder], rules, KINDS))
    assert [story.outcome.problem for story in played] == [""]


def test_the_first_example_is_the_shipped_rule() -> None:
    rules = load_rules(None, KINDS)
    assert rules["gas.pressure.low"].value_text == "median(pressure_kpa, 60s)"
    assert isinstance(rules, RuleSet)


def test_the_fault_on_the_page_is_what_is_said(folder: Path) -> None:
    path = next(p for p in folder.glob("rules*.yaml") if "doc.level" in p.read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8").replace("value: level_m", "value: 100 * mean(levl_m, 10m)")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as raised:
        load_rules([path], KINDS)
    said = str(raised.value).replace(str(path), "rules.yaml").splitlines()
    drawing = PAGE[PAGE.index("    rules.yaml:") :].splitlines()[:3]
    assert said[0].startswith(drawing[0].strip().removesuffix(" …"))
    assert [line[4:] for line in said[1:]] == [line[8:] for line in drawing[1:]]


@pytest.mark.parametrize(
    "word",
    [*AGGREGATES, *SCALAR_FUNCTIONS, HAS, *NOT_YET]
    + [
        info.alias or name
        for m in (RuleDefinition, WhereDefinition, ClearDefinition)
        for name, info in m.model_fields.items()
    ]
    + [key for key in KEYS_NOT_YET if key not in ("coupling", "signals")],
)
def test_the_page_names(word: str) -> None:
    assert re.search(rf"`{word}[`(:]", PAGE), word
