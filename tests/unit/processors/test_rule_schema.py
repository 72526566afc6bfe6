"""The schema for editors is that of the language."""

from __future__ import annotations

import json

from processors.core.definition import RuleDefinition
from processors.rule_schema import schema_text
from processors.ruleset import SHIPPED


def test_the_committed_schema_is_the_present_one() -> None:
    said = "python -m riskstream.main rules schema > processors/rules/schema.json"
    assert (SHIPPED / "schema.json").read_text(encoding="utf-8") == schema_text(), f"make it anew: {said}"


def test_it_names_every_key_by_the_word_that_authors_write() -> None:
    rule = json.loads(schema_text())["$defs"]["RuleDefinition"]
    assert set(rule["properties"]) == {info.alias or name for name, info in RuleDefinition.model_fields.items()}
    assert rule["additionalProperties"] is False
