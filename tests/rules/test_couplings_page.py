"""docs/rules/couplings.md names everything that couplings have; forms have pages, see `test_pages`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from processors.core.coupling.cases import CouplingExpectation, SignalStory
from processors.core.coupling.definition import FORMS, CouplingDefinition
from processors.core.zones.standard import ZoneStandard
from processors.couplings import load_couplings
from processors.ruleset import load_rules
from processors.zones import load_zones
from schemas.kinds import load_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "rules" / "couplings.md").read_text(encoding="utf-8")


def test_the_example_is_a_coupling(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "couplings.yaml").write_text(block, encoding="utf-8")
    assert [one.id for one in load_couplings([tmp_path], load_rules(None, load_kinds()))] == ["coupled.all"]


def test_the_numbers_of_the_index_are_those_of_the_standard() -> None:
    standard = load_zones(None)
    red = {("gas", 4): 1}
    said = tuple(int(standard.index(red, level)) for level in ("grid", "street", "district"))
    assert "its grid {}, its\nstreet {}, its district {}".format(*said) in PAGE
    assert " / ".join(f"{value:g}" for value in standard.graded.values()) in PAGE
    assert f"{standard.hysteresis:g} points below" in PAGE
    assert isinstance(standard, ZoneStandard)


@pytest.mark.parametrize(
    "word",
    [*FORMS, "not"]
    + [
        info.alias or name
        for model in (CouplingDefinition, SignalStory, CouplingExpectation)
        for name, info in model.model_fields.items()
    ],
)
def test_the_page_names(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE), word
