"""SenML JSON (RFC 8428): packs of records with base name, base time, base unit and base value.

A record's full name (bn + n) says sensor and field: `<sensor_id>/<field>` or `<sensor_id>:<field>`; of a URN such as
`urn:dev:mac:0024befffe804ff1:pressure_kpa` the sensor id is the part before the field, after the last colon. Where the
MQTT topic names the sensor, the field alone will do. Records of the same sensor and time make one reading; it is one
item, numbered in the order of first appearance, and its original is the whole pack, since the base values stand there.

Times (bt + t) are seconds; below 2^28 they are relative to the time of receipt (RFC 8428, section 4.5.3). A unit (u, or
bu) must be the field's, or one of `_CONVERTED`; a record without a unit is taken to be in the field's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingest.forms.exact_json import NotANumber, Twice
from ingest.layout import Layout
from ingest.parsed import MISSING, Fault, Parsed, UnreadableError
from schemas.reasons import Reason

RELATIVE_BELOW_S = 2**28
VERSION = 10

_CONVERTED: dict[tuple[str, str], tuple[float, float]] = {
    # (unit in SenML, unit of the field): factor, then offset; the SenML units are those of RFC 8428 and RFC 8798
    ("Pa", "kPa"): (1e-3, 0.0),
    ("hPa", "kPa"): (0.1, 0.0),
    ("MPa", "kPa"): (1e3, 0.0),
    ("bar", "kPa"): (100.0, 0.0),
    ("K", "Cel"): (1.0, -273.15),
    ("m3/s", "m3/h"): (3600.0, 0.0),
    ("l/s", "m3/h"): (3.6, 0.0),
    ("m", "mm"): (1e3, 0.0),
    ("mm", "m"): (1e-3, 0.0),
    ("cm", "m"): (1e-2, 0.0),
    ("kHz", "Hz"): (1e3, 0.0),
}


def is_senml(values: list[Any]) -> bool:
    """Is an array a SenML pack? Its first record has a name or base value, and none of Riskstream's own keys."""
    first = values[0] if values else None
    return (
        isinstance(first, dict)
        and not first.keys().isdisjoint({"bn", "n", "bt", "bver", "bu"})
        and first.keys().isdisjoint({"sensor_id", "observed_at"})
    )


@dataclass(slots=True)
class _Base:
    name: str = ""
    time: float = 0.0
    unit: str = ""
    value: float = 0.0


@dataclass(slots=True)
class _Group:
    item: int
    sensor_id: str
    time: float
    values: dict[str, float]
    fault: tuple[Reason, str] | None = None


def parse_senml(layout: Layout, payload: bytes, values: list[Any], received_at: int, sensor_id: str) -> Parsed:
    """A pack that was read exactly; `sensor_id` is the topic's, if any. Raises UnreadableError."""
    base = _Base()
    groups: dict[tuple[str, float], _Group] = {}
    unknown = False
    for number, record in enumerate(values):
        _check_record(record, number)
        _rebase(base, record, number)
        if not record.keys() & {"n", "v", "vs", "vb", "vd", "s"}:
            continue  # base values only
        name = base.name + _text(record, "n", number)
        sensor, field_name = _split(layout, name, sensor_id)
        time = base.time + _number(record, "t", number)
        group = groups.setdefault((sensor, time), _Group(len(groups), sensor, time, {}))
        if field_name is None:
            unknown = True
        else:
            _add(layout, group, base, record, number, field_name)
    if not groups:
        raise UnreadableError("the SenML pack has no records with values", Reason.EMPTY)
    parsed = Parsed("senml", len(groups), [], lambda _: payload, column_items=[], unknown_fields=unknown)
    _fill(layout, parsed, list(groups.values()), received_at)
    return parsed


def _check_record(record: Any, number: int) -> None:
    if not isinstance(record, dict):
        raise UnreadableError(f"SenML record {number} is not an object")
    if isinstance(record, Twice):
        raise UnreadableError(f"SenML record {number}: the key {record.key[:60]!r} stands twice")
    for key in record:
        if key.endswith("_"):
            raise UnreadableError(f"SenML record {number}: {key[:60]!r} must be understood, and is not (RFC 8428, 4.4)")
    if record.get("bver", VERSION) != VERSION:
        raise UnreadableError(f"SenML record {number}: version {record['bver']!r}; only {VERSION} is known")


def _rebase(base: _Base, record: dict[str, Any], number: int) -> None:
    if "bn" in record:
        base.name = _text(record, "bn", number)
    if "bt" in record:
        base.time = _number(record, "bt", number)
    if "bu" in record:
        base.unit = _text(record, "bu", number)
    if "bv" in record:
        base.value = _number(record, "bv", number)


def _add(layout: Layout, group: _Group, base: _Base, record: dict[str, Any], number: int, field_name: str) -> None:
    field = layout.kind.field(field_name)
    value = record.get("v", 0.0 if "bv" in record or base.value else None)
    if field_name in group.values:
        group.fault = group.fault or (Reason.UNREADABLE, f"{field_name} stands twice at the same time")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        given = value if "v" in record else next((record[k] for k in ("vs", "vb", "vd") if k in record), None)
        said = repr(given) if isinstance(given, NotANumber) else "no number (v)"
        group.fault = group.fault or (Reason.NOT_A_NUMBER, f"record {number}: {field_name} has {said}")
        group.values[field_name] = 0.0
    else:
        unit = _text(record, "u", number) or base.unit
        factor, offset = (1.0, 0.0) if unit in ("", field.unit) else _CONVERTED.get((unit, field.unit), (0.0, 0.0))
        if not factor:
            known = ", ".join(source for source, target in _CONVERTED if target == field.unit)
            allowed = field.unit + (f", {known}" if known else "")
            detail = f"record {number}: {field_name} is given in {unit[:20]!r}; allowed: {allowed}"
            group.fault = group.fault or (Reason.WRONG_UNIT, detail)
        try:
            group.values[field_name] = (float(value) + base.value) * factor + offset
        except OverflowError:
            group.values[field_name] = float("inf") if value > 0 else float("-inf")


def _fill(layout: Layout, parsed: Parsed, groups: list[_Group], received_at: int) -> None:
    rows: list[tuple[Any, ...]] = []
    items: list[int] = []
    for group in groups:
        if group.fault is not None:
            parsed.faults.append(Fault(group.item, group.sensor_id, *group.fault))
            continue
        try:
            ms = round(group.time * 1000) + (received_at if group.time < RELATIVE_BELOW_S else 0)
        except (OverflowError, ValueError):
            parsed.faults.append(Fault(group.item, group.sensor_id, Reason.BAD_TIME, f"time {group.time!r} s"))
            continue
        values = (group.values.get(field.name, MISSING) for field in layout.fields)
        rows.append((group.sensor_id or MISSING, ms, *values))
        items.append(group.item)
    parsed.columns = list(zip(*rows, strict=True)) if rows else [()] * len(layout.names)
    parsed.column_items = items


def _split(layout: Layout, name: str, sensor_id: str) -> tuple[str, str | None]:
    """Sensor id and field of a full name; the field is None when the kind has none of that name."""
    cut = max(name.rfind("/"), name.rfind(":"))
    device, field_name = (name[:cut], name[cut + 1 :]) if cut >= 0 else ("", name)
    if device.startswith("urn:"):
        device = device[device.rfind(":") + 1 :]
    return device or sensor_id, field_name if field_name in layout.names[2:] else None


def _text(record: dict[str, Any], key: str, number: int) -> str:
    value = record.get(key, "")
    if not isinstance(value, str):
        raise UnreadableError(f"SenML record {number}: {key} must be a text")
    return value


def _number(record: dict[str, Any], key: str, number: int) -> float:
    value = record.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(f"SenML record {number}: {key} must be a number")
    try:
        return float(value)
    except OverflowError:
        return float("inf")
