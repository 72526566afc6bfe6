"""The examples of docs/rules/language.md run, and it names every key; functions have pages, see `test_pages`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from processors.core.definition import NOT_YET as KEYS_NOT_YET
from processors.core.definition import ClearDefinition, RuleDefinition, WhereDefinition
from processors.core.expression.functions import NOT_YET
from processors.ruleset import RuleError, load_rules
from schemas.kinds import load_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "rules" / "language.md").read_text(encoding="utf-8")
KINDS = load_kinds()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The page's example as a file."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "rules.yaml"
    path.write_text(block, encoding="utf-8")
    return path


def test_the_example_is_the_shipped_rule(path: Path) -> None:
    shipped, example = (load_rules(paths, KINDS)["gas.pressure.low"] for paths in (None, [path]))
    assert (example.same_value, example.same_levels) == (shipped.same_value, shipped.same_levels)


def test_the_fault_on_the_page_is_what_is_said(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("kind: gas_pressure", "kind: water_level")
    path.write_text(text.replace("value: median(pressure_kpa, 60s)", "value: 100 * mean(levl_m, 10m)"), "utf-8")
    with pytest.raises(RuleError) as raised:
        load_rules([path], KINDS)
    said = str(raised.value).replace(str(path), "rules.yaml").splitlines()
    drawing = PAGE[PAGE.index("    rules.yaml:") :].splitlines()[:3]
    assert said[0].startswith(drawing[0].strip().removesuffix(" …"))
    assert [line[4:] for line in said[1:]] == [line[8:] for line in drawing[1:]]


@pytest.mark.parametrize(
    "word",
    [*NOT_YET]
    + [
        info.alias or name
        for m in (RuleDefinition, WhereDefinition, ClearDefinition)
        for name, info in m.model_fields.items()
    ]
    + [key for key in KEYS_NOT_YET if key not in ("coupling", "signals")],
)
def test_the_page_names(word: str) -> None:
    assert re.search(rf"`{word}[`(:]", PAGE), word
