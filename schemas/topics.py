"""Topics as data: `schemas/topics.yaml`, with a topic for each kind and each department filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schemas.batch import batch_schema
from schemas.departments import Department
from schemas.kinds import Kind
from schemas.records import record_schema
from schemas.wire import HISTORY, SchemaStore

TOPICS = Path(__file__).with_name("topics.yaml")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic without its prefix. `subject` is its schema's name in a registry; `partitions` is None where
    the setting decides; `schema` is that of its values.
    """

    name: str
    subject: str
    description: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    schema: Mapping[str, Any]
    partitions: int | None
    compatibility: str
    config: Mapping[str, str]


def load_topics(kinds: Mapping[str, Kind], departments: Mapping[str, Department]) -> dict[str, Topic]:
    """All topics by name, those of the kinds and departments filled in."""
    entries = yaml.safe_load(TOPICS.read_text(encoding="utf-8"))["topics"]
    topics: dict[str, Topic] = {}
    for pattern, entry in entries.items():
        for name, schema in _filled_in(pattern, entry["schema"], kinds.values(), departments.values()):
            topics[name] = Topic(
                name=name,
                subject=f"{name if entry['schema'] == 'batch' else _stem(pattern)}-value",
                description=entry["description"],
                producers=tuple(entry["producers"]),
                consumers=tuple(entry["consumers"]),
                key=entry["key"],
                schema=schema,
                partitions=None if entry["partitions"] == "setting" else int(entry["partitions"]),
                compatibility=entry["compatibility"],
                config=dict(entry["config"]),
            )
    return topics


def _stem(pattern: str) -> str:
    """Topics of one pattern that carry the same record share a subject."""
    return pattern.replace(".{kind}", "").replace(".{department}", "")


def _filled_in(
    pattern: str, schema: str, kinds: Iterable[Kind], departments: Iterable[Department]
) -> list[tuple[str, Mapping[str, Any]]]:
    if schema == "batch":
        return [(kind.topic, batch_schema(kind)) for kind in kinds]
    if "{kind}" in pattern:
        return [(pattern.format(kind=kind.name), record_schema(schema)) for kind in kinds]
    if "{department}" in pattern:
        return [(department.alert_topic, record_schema(schema)) for department in departments]
    return [(pattern, record_schema(schema))]


def subjects(topics: Mapping[str, Topic]) -> dict[str, Mapping[str, Any]]:
    """The current schema of each subject; topics that carry the same record share the subject of the first of them."""
    found: dict[str, Mapping[str, Any]] = {}
    names: dict[str, str] = {}
    for topic in topics.values():
        record = f"{topic.schema['namespace']}.{topic.schema['name']}"
        if names.setdefault(record, topic.subject) == topic.subject:
            found[topic.subject] = topic.schema
    return found


def schema_store(topics: Mapping[str, Topic], histories: Iterable[Path] = (HISTORY,)) -> SchemaStore:
    """Every schema version of every topic."""
    return SchemaStore(subjects(topics), histories)
