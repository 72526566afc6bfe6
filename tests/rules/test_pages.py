"""The pages of docs/rules/: their drawings are what the engine gives, their examples run, and nothing lacks a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.core.aggregates import AGGREGATES
from processors.core.coupling.definition import FORMS, When
from processors.core.expression.functions import FORECAST, HAS, SCALAR_FUNCTIONS
from processors.coupling_tests import play_coupling_tests, untested_couplings
from processors.rule_tests import play_tests, untested
from processors.ruleset import load_rules
from tests.rules.coupling_timelines import page_couplings
from tests.rules.sensor_timelines import KINDS
from tests.rules.timelines import BLOCK, PAGES, drawn, examples

ALL = {str(path.relative_to(PAGES).with_suffix("")): path.read_text(encoding="utf-8") for path in PAGES.rglob("*.md")}
FUNCTIONS = [*AGGREGATES, FORECAST, *SCALAR_FUNCTIONS, HAS, "hours", "each"]
COUPLINGS = ["all", "any", "n_of", "sequence", "not", "related", "raise", "within", "events"]
KEYS = ["levels", "for", "clear", "outside", "and", "nights", "stuck", "no_data", "schedule"]
DETAIL = {name: page for name, page in ALL.items() if "/" in name and not name.endswith("README")}


@pytest.mark.parametrize("name", ALL)
def test_timelines_are_what_the_engine_gives(name: str) -> None:
    assert ALL[name] == drawn(ALL[name]), "draw them anew: python -m tests.rules.timelines"


@pytest.mark.parametrize("name", [name for name in DETAIL if not name.startswith("couplings/")])
def test_rules_of_a_page_pass_their_stories_and_lack_none(name: str, tmp_path: Path) -> None:
    for number, text in enumerate(examples(DETAIL[name])):
        suffix = ".test.yaml" if text.startswith("tests:") else ".yaml"
        (tmp_path / f"{number}{suffix}").write_text(text, encoding="utf-8")
    rules = load_rules([tmp_path], KINDS)
    played = list(play_tests([tmp_path], rules, KINDS))
    assert [f"{one.outcome.case.name}: {one.outcome.problem}" for one in played if not one.outcome.passed] == []
    assert untested(rules, played) == {}


@pytest.mark.parametrize("name", [name for name in DETAIL if name.startswith("couplings/")])
def test_couplings_of_a_page_pass_their_stories_and_lack_none(name: str, tmp_path: Path) -> None:
    couplings = page_couplings(examples(DETAIL[name]), tmp_path)
    played = list(play_coupling_tests(sorted(tmp_path.iterdir()), couplings))
    assert [f"{one.outcome.case.name}: {one.outcome.problem}" for one in played if not one.outcome.passed] == []
    assert untested_couplings(couplings, played) == {}
    assert len(BLOCK.findall(DETAIL[name])) >= 2, "one that raises and one that does not are drawn"


@pytest.mark.parametrize("name", [name for name in DETAIL if not name.startswith("couplings/")])
def test_a_page_draws_readings_that_lack_or_come_out_of_order(name: str) -> None:
    blocks = BLOCK.findall(DETAIL[name])
    assert blocks
    ordered = [block for block in blocks if "\nread " in block]
    exempt = ("aggregates/has", "keys/no_data", "keys/schedule")  # judged by the registry, by log time, by the clock
    assert ordered or name in exempt


@pytest.mark.parametrize("name", [name for name in DETAIL if name.startswith("aggregates/")])
def test_a_function_is_defined_exactly(name: str) -> None:
    facts = ["Missing reading", "No value", "Unit", "State"]
    assert [fact for fact in facts if f"- **{fact}**: " not in DETAIL[name]] == []


@pytest.mark.parametrize(
    ("folder", "names"), [("aggregates", FUNCTIONS), ("couplings", COUPLINGS), ("keys", KEYS)], ids=lambda one: str(one)
)
def test_everything_has_a_page_that_its_index_names(folder: str, names: list[str]) -> None:
    index = ALL["couplings" if folder == "couplings" else f"{folder}/README" if folder == "aggregates" else "language"]
    place = "" if folder == "aggregates" else f"{folder}/"
    assert {name.partition("/")[2] for name in DETAIL if name.startswith(f"{folder}/")} == set(names)
    assert [name for name in names if f"]({place}{name}.md)" not in index] == []


def test_every_form_of_couplings_has_a_page() -> None:
    forms = [*FORMS, *(info.alias for info in When.model_fields.values() if info.alias == "not")]
    assert set(forms) - {"rule", "event"} <= set(COUPLINGS)
