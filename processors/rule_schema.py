"""The JSON Schema of rule files, for editors: completion and checks of keys as they are typed.

A file names it in its first line: `# yaml-language-server: $schema=schema.json`.
"""

from __future__ import annotations

import json

from processors.core.definition import RuleFile


def schema_text() -> str:
    """The schema as JSON text, the same for the same version of the language."""
    schema = RuleFile.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Rules of Riskstream"}
    return json.dumps(head | {key: part for key, part in schema.items() if key != "title"}, indent=2) + "\n"
