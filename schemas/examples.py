"""Example messages: one for each topic, as bytes on the wire and as the value that they decode to.

    python -m schemas.examples FILE.json …    fill in the wire bytes of new examples from their values

An example's bytes are never written again: they stand for what is in topics already.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro

from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.topics import load_topics, schema_store
from schemas.wire import decode_avro, head, split

EXAMPLES = Path(__file__).with_name("examples")


def subject_of(topic: str) -> str:
    """Topics that carry the same record share the subject of the first of them."""
    shared = next((name for name in ("alerts", "checkpoints") if topic.startswith(f"{name}.")), topic)
    return f"{shared}-value"


def decode_example(topic: str, wire: str) -> Any:
    """The value of base64 wire bytes, times as ms and bytes as base64. Raises `schemas.wire.DecodeError`."""
    store = schema_store(load_topics(load_kinds(), load_departments()))
    number, body = split(base64.b64decode(wire))
    return plain(decode_avro(body, store.by_id(number), store.latest(subject_of(topic))))


def plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def fill_in(path: Path) -> None:
    """Encode the value of an example whose wire bytes are empty."""
    example = json.loads(path.read_text(encoding="utf-8"))
    if example["wire"]:
        return
    schema = schema_store(load_topics(load_kinds(), load_departments())).latest(subject_of(path.stem))
    value = dict(example["value"])
    for field in schema.parsed["fields"]:
        if field["type"] == "bytes":
            value[field["name"]] = base64.b64decode(value[field["name"]])
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.parsed, value, strict=True)
    example["wire"] = base64.b64encode(head(schema.schema_id) + out.getvalue()).decode()
    path.write_text(json.dumps(example, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        fill_in(Path(name))
