"""Signals, alerts and rejected readings: the records of the topics that are not batches.

The dataclasses mirror `schemas/avro/*.avsc` field by field; times are ms since 1970 UTC.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

from schemas.levels import Level
from schemas.wire import RecordCodec, SchemaStore

AVRO = Path(__file__).parent / "avro"


def record_schema(name: str) -> dict[str, Any]:
    """The Avro schema `schemas/avro/<name>.avsc`."""
    schema: dict[str, Any] = json.loads((AVRO / f"{name}.avsc").read_text(encoding="utf-8"))
    return schema


class Record:
    """What the records share: to and from the dict that Avro codes, and the wire format."""

    SUBJECT: ClassVar[str]
    AVRO_NAME: ClassVar[str]
    _codec: ClassVar[RecordCodec | None] = None

    @classmethod
    def codec(cls) -> RecordCodec:
        if cls._codec is None:
            store = SchemaStore({cls.SUBJECT: record_schema(cls.AVRO_NAME)})
            cls._codec = RecordCodec(store, cls.SUBJECT)
        return cls._codec

    def encode(self) -> bytes:
        """The record in the wire format."""
        values = {name: getattr(self, name) for name in _field_names(type(self))}  # type: ignore[arg-type]
        for name, value in values.items():
            if isinstance(value, Level):
                values[name] = value.word
        return self.codec().encode(values)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises `schemas.wire.DecodeError`."""
        return cls(**{name: _plain(name, value) for name, value in cls.codec().decode(data).items()})


@cache
def _field_names(record: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(record))


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if name == "level" or name.endswith("_level"):
        return Level[value.upper()]
    return value


@dataclass(slots=True)
class Signal(Record):
    """A transition of one rule at one sensor, or of a coupling at its place.

    `published_at` is not part of the result: a replay gives another.
    """

    SUBJECT: ClassVar[str] = "signals-value"
    AVRO_NAME: ClassVar[str] = "signal"

    signal_id: str
    rule_id: str
    rule_version: int
    registry_version: int
    kind: str
    sensor_id: str
    zone: str
    asset_id: str
    transition: str
    level: Level
    previous_level: Level
    onset_at: int
    at: int
    sequence: int
    alert_id: str
    value: float
    evidence: str
    mode: str
    log_partition: int
    log_offset: int
    log_index: int
    published_at: int = 0
    type: str = "threshold"
    run_id: str = ""
    sensors: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    contributing: list[str] = field(default_factory=list)
    departments: list[str] = field(default_factory=list)
    priority: int = 5


@dataclass(slots=True)
class Alert(Record):
    """A lifecycle event of an alert, with the whole state after it."""

    SUBJECT: ClassVar[str] = "alerts-value"
    AVRO_NAME: ClassVar[str] = "alert"

    alert_id: str
    sequence: int
    event: str
    type: str
    level: Level
    highest_level: Level
    status: str
    cleared: bool
    rule_id: str
    rule_version: int
    registry_version: int
    kind: str
    zone: str
    lead_department: str
    departments: list[str]
    owner: str
    sensors: list[str]
    assets: list[str]
    title: Mapping[str, str]
    advice: Mapping[str, str]
    onset_at: int
    raised_at: int
    published_at: int
    updated_at: int
    due_at: int | None
    overdue: bool
    escalated_to: str
    value: float
    evidence: str
    mode: str
    part_of: list[str] = field(default_factory=list)
    signal_sequence: int = 0
    priority: int = 5


@dataclass(slots=True)
class Event(Record):
    """An event from outside, in force from `valid_from` to `valid_until` in a zone or a WKT polygon."""

    SUBJECT: ClassVar[str] = "events-value"
    AVRO_NAME: ClassVar[str] = "event"

    event_id: str
    type: str
    level: Level
    zone: str
    polygon: str
    valid_from: int
    valid_until: int
    source: str
    mode: str = "live"
    run_id: str = ""
    received_at: int = 0


@dataclass(slots=True)
class ZoneRisk(Record):
    """The risk index of a zone, 0 to 100, with its level and the counts that it was made of."""

    SUBJECT: ClassVar[str] = "zones.risk-value"
    AVRO_NAME: ClassVar[str] = "zone_risk"

    zone: str
    index: float
    level: Level
    at: int
    evidence: str
    sequence: int = 0
    mode: str = "live"
    run_id: str = ""


@dataclass(slots=True)
class Rejected(Record):
    """A reading or message that was not taken, with its original bytes; `reason` is one of `schemas.reasons`."""

    SUBJECT: ClassVar[str] = "readings.rejected-value"
    AVRO_NAME: ClassVar[str] = "rejected"

    original: bytes
    source: str
    gateway: str
    origin: str
    reason: str
    detail: str
    received_at: int
    truncated: bool = False
    client: str = ""
    kind: str = ""
    sensor_id: str = ""
    mode: str = "live"
    run_id: str = ""
    attempts: int = 1
    readings: int = 1
