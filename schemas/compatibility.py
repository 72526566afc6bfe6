"""Keeps schema versions readable: compares today's schemas with those recorded in `schemas/history/`.

python -m schemas.compatibility check     exit 1 if a schema changed and is not recorded, or breaks a recorded one
python -m schemas.compatibility record    records changed schemas as new versions, unless they break recorded ones
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import make_avsc_object

from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.topics import load_topics, subjects
from schemas.wire import HISTORY, recorded, schema_id


def breaks(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """Why `new` is not fully compatible with `old` (each must read what the other wrote); empty if it is.

    A changed unit or a removed field breaks what readers do with the numbers, though Avro would read them.
    """
    found = [
        *_cannot_read("new schema cannot read old records", reader=new, writer=old),
        *_cannot_read("old readers cannot read new records", reader=old, writer=new),
    ]
    fields = {field["name"]: field for field in new["fields"]}
    for field in old["fields"]:
        if field["name"] not in fields:
            found.append(f"field {field['name']} is removed")
        elif fields[field["name"]].get("unit") != field.get("unit"):
            found.append(
                f"field {field['name']}: unit changed from {field.get('unit')} to {fields[field['name']].get('unit')}"
            )
    return found


def _cannot_read(what: str, *, reader: Mapping[str, Any], writer: Mapping[str, Any]) -> Iterator[str]:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(
        make_avsc_object(json.loads(json.dumps(reader))), make_avsc_object(json.loads(json.dumps(writer)))
    )
    if result.compatibility is not SchemaCompatibilityType.compatible:
        yield f"{what}: {'; '.join(sorted(result.messages))} at {', '.join(sorted(result.locations))}"


def problems(current: Mapping[str, Mapping[str, Any]], histories: Iterable[Path] = (HISTORY,)) -> list[str]:
    """What is wrong with the current schemas in view of the recorded ones."""
    found = []
    for subject, schema in current.items():
        old = recorded(subject, histories)
        for version, one in enumerate(old, 1):
            found += [f"{subject} breaks version {version}: {why}" for why in breaks(schema, one)]
        if not old or schema_id(old[-1]) != schema_id(schema):
            found.append(f"{subject}: the schema is not recorded; run: python -m schemas.compatibility record")
    return found


def record(current: Mapping[str, Mapping[str, Any]], history: Path = HISTORY) -> list[Path]:
    """Record each changed schema as a new version. Raises `ValueError` if one breaks a recorded version."""
    changed = {}
    for subject, schema in current.items():
        old = recorded(subject, [history])
        why = [f"{subject}: {reason}" for one in old for reason in breaks(schema, one)]
        if why:
            raise ValueError("; ".join(why))
        if not old or schema_id(old[-1]) != schema_id(schema):
            changed[history / subject / f"{len(old) + 1}.avsc"] = schema
    for path, schema in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return list(changed)


def main(arguments: list[str]) -> int:
    current = subjects(load_topics(load_kinds(), load_departments()))
    if arguments == ["record"]:
        try:
            for path in record(current):
                print(f"recorded {path.parent.name} version {path.stem}")
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    if arguments == ["check"]:
        found = problems(current)
        for problem in found:
            print(problem, file=sys.stderr)
        return 1 if found else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
