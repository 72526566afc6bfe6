"""The registry on its topics: rows of a version, and the marker that makes the version count.

An import writes its changed and removed rows to `registry.sensors` and `registry.assets`, each with the version and
the import's id, then to each topic one marker record: header `riskstream-registry-version`, value JSON. Rows without
the marker of their import (an aborted import) never count, so an import is whole or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from schemas.records import record_schema
from schemas.registry import Asset, Sensor
from schemas.wire import DecodeError, RecordCodec, SchemaStore

SENSORS_TOPIC = "registry.sensors"
ASSETS_TOPIC = "registry.assets"
VERSION_HEADER = "riskstream-registry-version"

_SUBJECTS = {f"{SENSORS_TOPIC}-value": "registry_sensor", f"{ASSETS_TOPIC}-value": "registry_asset"}
_STORE = SchemaStore({subject: record_schema(name) for subject, name in _SUBJECTS.items()})
_CODECS = {topic: RecordCodec(_STORE, f"{topic}-value") for topic in (SENSORS_TOPIC, ASSETS_TOPIC)}
_DEFAULTS = {
    topic: {f["name"]: f["default"] for f in record_schema(_SUBJECTS[f"{topic}-value"])["fields"] if "default" in f}
    for topic in (SENSORS_TOPIC, ASSETS_TOPIC)
}
_SENSOR_FIELDS = (
    "sensor_id",
    "kind",
    "name",
    "zone",
    "department",
    "lat",
    "lon",
    "asset_id",
    "profile",
    "attributes",
)
_ASSET_FIELDS = (
    "asset_id",
    "type",
    "name",
    "zone",
    "owner",
    "lead_department",
    "geometry_wkt",
    "risk_grade",
    "risk_point",
)


@dataclass(frozen=True, slots=True)
class Marker:
    """Ends an import in one topic. `rows` is how many rows the import wrote to this topic."""

    version: int
    import_id: str
    rows: int
    author: str
    imported_at: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Marker:
        """Raises `DecodeError`."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise DecodeError(f"not a registry marker: {error}") from error


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an import: `entry` is None where the version removes it."""

    id: str
    version: int
    import_id: str
    entry: Sensor | Asset | None


def encode_row(topic: str, row: Row) -> bytes:
    """A row in the wire format of `registry.sensors` or `registry.assets`."""
    key, names = ("sensor_id", _SENSOR_FIELDS) if topic == SENSORS_TOPIC else ("asset_id", _ASSET_FIELDS)
    record: dict[str, Any] = {
        "version": row.version,
        "import_id": row.import_id,
        "deleted": row.entry is None,
    }
    if row.entry is None:
        record[key] = row.id
    else:
        record |= {name: getattr(row.entry, name) for name in names}
        if "attributes" in record:
            record["attributes"] = dict(record["attributes"])
    return _CODECS[topic].encode(_DEFAULTS[topic] | record)


def decode_row(topic: str, data: bytes) -> Row:
    """Raises `DecodeError`."""
    record = _CODECS[topic].decode(data)
    kind, key, names = (
        (Sensor, "sensor_id", _SENSOR_FIELDS) if topic == SENSORS_TOPIC else (Asset, "asset_id", _ASSET_FIELDS)
    )
    entry = None if record["deleted"] else kind(**{name: record[name] for name in names})
    return Row(record[key], record["version"], record["import_id"], entry)


class TopicReader:
    """Rebuilds one registry topic from its records in order: rows wait until the marker of their import."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.version = 0
        self.entries: dict[str, Sensor | Asset] = {}
        self.markers: list[Marker] = []
        self._waiting: dict[str, list[Row]] = {}

    def feed(self, value: bytes, headers: Iterable[tuple[str, Any]] | None) -> Marker | None:
        """Take one record; returns the marker if it made a version count. Raises `DecodeError`."""
        if any(name == VERSION_HEADER for name, _ in headers or ()):
            return self._end(Marker.decode(value))
        row = decode_row(self.topic, value)
        self._waiting.setdefault(row.import_id, []).append(row)
        return None

    def _end(self, marker: Marker) -> Marker | None:
        rows = {row.id: row for row in self._waiting.pop(marker.import_id, [])}
        # whatever waits now was written before this marker by an import that never ended
        self._waiting.clear()
        if marker.version <= self.version:
            return None
        if len(rows) != marker.rows:
            raise DecodeError(f"version {marker.version} of {self.topic} has {len(rows)} rows instead of {marker.rows}")
        for row in rows.values():
            if row.entry is None:
                self.entries.pop(row.id, None)
            else:
                self.entries[row.id] = row.entry
        self.version = marker.version
        self.markers.append(marker)
        return marker


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Entries added or changed, and ids removed, between two states of a topic."""
    return {key: value for key, value in after.items() if before.get(key) != value}, [
        k for k in before if k not in after
    ]
