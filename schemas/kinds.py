"""Kinds of sensors: one Avro file each, and everything that is derived from it.

`schemas/kinds/<kind>.avsc` is the single source of truth for gateway validation, the Kafka topic, the
ClickHouse table, the fields that rules may name, and the docs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILT_IN = Path(__file__).parent / "kinds"

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_OBSERVED_AT = {"type": "long", "logicalType": "timestamp-millis"}
_FIELD_KEYS = {"name", "type", "default", "doc", "unit", "min", "max", "resolution"}
_KIND_KEYS = {"type", "name", "namespace", "doc", "period_s", "max_delay_s", "reorder_ms", "fields"}
# names that every readings table and batch has already
_RESERVED = {
    "sensor_id", "observed_at", "received_at", "stored_at", "gateway", "source", "mode", "run_id", "late", "sensor",
    "sensor_ids", "kind", "log_time", "log_generation", "log_partition", "log_offset", "log_index", "sample_rate_hz",
}  # fmt: skip


class KindError(ValueError):
    """A kind's file is wrong; the message names the file, the attribute and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field:
    """A measured field.

    `minimum` and `maximum` bound what the instrument can produce, not what is plausible, in `unit` (UCUM, ASCII).
    `resolution` is the step in which sums are counted: they are exact integers of it.
    """

    name: str
    doc: str
    unit: str
    minimum: float
    maximum: float
    resolution: float
    optional: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sensor.

    `period_s` is the usual time between readings (the registry may override it per sensor); a reading that is older
    than `max_delay_s` when received is late; `reorder_ms` is how long readings may be held back to restore order.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    period_s: float
    max_delay_s: float
    reorder_ms: int
    schema: Mapping[str, Any]

    @property
    def topic(self) -> str:
        return f"readings.{self.name}"

    @property
    def table(self) -> str:
        return f"readings_{self.name}"

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """The field of that name; `KeyError` if the kind has none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


def load_kinds(*extra: Path) -> dict[str, Kind]:
    """The built-in kinds and every `*.avsc` in the extra folders, by name.

    Raises `KindError` for a folder that does not exist, a file that is not a kind, or a name used twice.
    """
    kinds: dict[str, Kind] = {}
    for folder in (BUILT_IN, *extra):
        if not folder.is_dir():
            raise KindError(f"{folder}: no such folder of kinds")
        for path in sorted(folder.glob("*.avsc")):
            kind = read_kind(path)
            if kind.name in kinds:
                raise KindError(f"{path}: kind {kind.name!r} is defined twice; a kind's name is used once")
            kinds[kind.name] = kind
    return kinds


def read_kind(path: Path) -> Kind:
    """Read one kind's Avro file. Raises `KindError`."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise KindError(f"{path}: not readable as JSON: {error}") from error
    try:
        return parse_kind(schema, stem=path.stem)
    except KindError as error:
        raise KindError(f"{path}: {error}") from None


def parse_kind(schema: Any, stem: str) -> Kind:
    """Check a kind's Avro schema and derive the `Kind`. Raises `KindError` without the file's name."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise KindError('must be an Avro record: {"type": "record", "name": …, "fields": […]}')
    name = schema.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        raise KindError(f"name is {name!r}; allowed: lower case letters, digits and _, starting with a letter")
    if name != stem:
        raise KindError(f"name is {name!r} but the file is {stem}.avsc; they must be the same")
    _only_known(schema, _KIND_KEYS, "attribute")
    entries = schema.get("fields")
    if not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries):
        raise KindError("fields must be a list of Avro fields")
    by_name = {entry.get("name"): entry for entry in entries}
    if len(by_name) != len(entries):
        raise KindError("a field's name is used twice")
    if by_name.get("sensor_id", {}).get("type") != "string":
        raise KindError('needs the field {"name": "sensor_id", "type": "string"}')
    if by_name.get("observed_at", {}).get("type") != _OBSERVED_AT:
        raise KindError(f'needs the field {{"name": "observed_at", "type": {json.dumps(_OBSERVED_AT)}}}')
    fields = tuple(_field(e) for e in entries if e["name"] not in ("sensor_id", "observed_at"))
    if not fields:
        raise KindError("needs at least one measured field")
    return Kind(
        name=name,
        doc=_text(schema, "doc", name),
        fields=fields,
        period_s=_number(schema, "period_s", name, above=0),
        max_delay_s=_number(schema, "max_delay_s", name, above=0),
        reorder_ms=int(_number(schema, "reorder_ms", name, default=0, least=0)),
        schema=schema,
    )


def _field(entry: dict[str, Any]) -> Field:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        raise KindError(f"field name is {name!r}; allowed: lower case letters, digits and _, starting with a letter")
    where = f"field {name}"
    if name in _RESERVED:
        raise KindError(f"{where}: this name is taken by Riskstream's own columns; choose another")
    _only_known(entry, _FIELD_KEYS, f"{where}: attribute")
    optional = entry.get("type") == ["null", "double"]
    if entry.get("type") != "double" and not optional:
        raise KindError(
            f'{where}: type is {json.dumps(entry.get("type"))}; allowed: "double", or ["null", "double"] if optional'
        )
    if optional and entry.get("default", "") is not None:
        raise KindError(f'{where}: an optional field needs "default": null')
    minimum, maximum = _number(entry, "min", where), _number(entry, "max", where)
    if minimum >= maximum:
        raise KindError(f"{where}: min {minimum:g} is not below max {maximum:g}")
    resolution = _number(entry, "resolution", where, above=0)
    if max(abs(minimum), abs(maximum)) / resolution > 2**40:
        raise KindError(
            f"{where}: resolution {resolution:g} is too fine for the range; max/resolution must stay below 2^40"
        )
    return Field(name, _text(entry, "doc", where), _text(entry, "unit", where), minimum, maximum, resolution, optional)


def _only_known(entry: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in entry:
        if key not in known:
            raise KindError(f"{what} {key!r} is not known; allowed: {', '.join(sorted(known))}")


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise KindError(f"{where}: {key} is missing; allowed: a text")
    return value


def _number(
    entry: Mapping[str, Any],
    key: str,
    where: str,
    *,
    default: float | None = None,
    above: float = -math.inf,
    least: float = -math.inf,
) -> float:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise KindError(f"{where}: {key} is {value!r}; allowed: a finite number")
    if value <= above or value < least:
        bound = f"above {above:g}" if value <= above else f"at least {least:g}"
        raise KindError(f"{where}: {key} is {value!r}; allowed: a number {bound}")
    return float(value)
