"""The shipped couplings with their stories, and what is said about wrong coupling files."""

from pathlib import Path

import pytest

from processors.core.coupling.cases import CouplingCase, run_coupling_case
from processors.coupling_tests import play_coupling_tests, untested_couplings
from processors.couplings import load_couplings
from processors.ruleset import SHIPPED, RuleError, load_rules
from schemas.kinds import load_kinds

RULES = load_rules(None, load_kinds())
COUPLINGS = load_couplings(None, RULES)
PLAYED = list(play_coupling_tests(None, COUPLINGS))


@pytest.mark.parametrize("story", PLAYED, ids=lambda story: f"{story.outcome.case.coupling}: {story.outcome.case.name}")
def test_story(story) -> None:
    assert story.outcome.passed, story.outcome.problem


def test_every_coupling_has_a_story_that_raises_it_and_one_that_does_not() -> None:
    assert untested_couplings(COUPLINGS, PLAYED) == {}
    # the evidence of a story is that it fails when the coupling is another
    for coupling in COUPLINGS:
        assert coupling.source
        assert coupling.title.keys() >= {"en", "zh"}


def test_a_story_that_does_not_hold_says_what_came_instead() -> None:
    case = next(one.outcome.case for one in PLAYED if one.outcome.case.expect)
    other = CouplingCase.model_construct(**{**dict(case), "expect": []})
    outcome = run_coupling_case(other, COUPLINGS)
    assert outcome.problem == "expected no signal; got 10m orange"


GOOD = """standard: s
version: 1
couplings:
  - id: coupled.x
    title: {en: x}
    when:
      all:
        - {rule: gas.methane.high, level: ">= yellow"}
        - {event: rainstorm}
    related: {same: grid, or_within: 150 m}
    raise: orange
    lead_department: gas
    source: s
    confidence: low
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("gas.methane.high", "gas.methane.hi", 8, "did you mean `gas.methane.high`"),
        ('">= yellow"', "yellow", 8, "allowed: `>= blue`"),
        ("150 m", "150 feet", 10, "a number and m or km"),
        ("same: grid", "same: block", 10, "'block' is not allowed; allowed: 'grid'"),
        ("raise: orange", "raise: two above", 11, "one above the highest"),
        ("lead_department: gas", "lead_department: gaz", 12, "`gaz` is not a department; did you mean `gas`"),
        ("{event: rainstorm}", "{event: rainstorm, rule: gas.methane.high}", 9, "exactly one of"),
        ("{event: rainstorm}", "{event: rainstorm, within: 3h}", 9, "`within` is not a key here"),
        ("all:", "sequence:", 7, "after: from..to"),
        ("coupled.x", "scour", 4, "must match"),
    ],
)
def test_a_fault_names_its_place_and_what_is_allowed(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    path = tmp_path / "couplings.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert len(load_couplings([tmp_path], RULES)) == 1
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_couplings([path], RULES)
    fault = caught.value.faults[0]
    assert said in fault.message
    assert abs(fault.line - line) <= 1


def test_couplings_do_not_disturb_rules_of_the_same_folder() -> None:
    assert (SHIPPED / "couplings.yaml").is_file()
    assert not any(rule.id.startswith("coupled.") for rule in RULES)
