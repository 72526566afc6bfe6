"""From bytes to columns: one module a form. Nothing here looks anything up, waits or knows the time."""

from __future__ import annotations

from enum import StrEnum

from ingest.forms.exact_json import read_array, text_of
from ingest.forms.measure import check_size
from ingest.forms.ndjson import parse_lines
from ingest.forms.objects import parse_array, parse_object
from ingest.forms.senml import is_senml, parse_senml
from ingest.layout import Layout
from ingest.parsed import MISSING, Fault, Parsed, UnreadableError
from schemas.reasons import Reason

__all__ = ["Form", "parse"]

_HEAD = 256
_BOM = b"\xef\xbb\xbf"


class Form(StrEnum):
    """What the sender says that the payload is. JSON covers an object, an array, a run of samples, and SenML."""

    JSON = "json"
    SENML = "senml"
    NDJSON = "ndjson"


def parse(layout: Layout, payload: bytes, form: Form, received_at: int, sensor_id: str = "") -> Parsed:
    """The items of a payload. A payload that names another sensor than the MQTT topic (`sensor_id`) is at fault.

    Raises UnreadableError when the payload as a whole cannot be read, holds nothing, or holds too much.
    """
    check_size(payload)
    body = payload.removeprefix(_BOM)
    parsed = _parse(layout, body, form, received_at, sensor_id)
    if body is not payload and parsed.original(0) is body:
        parsed.original = lambda _: payload
    if sensor_id:
        _name_sensor(parsed, sensor_id)
    return parsed


def _parse(layout: Layout, payload: bytes, form: Form, received_at: int, sensor_id: str) -> Parsed:
    if form is Form.NDJSON:
        return parse_lines(layout, payload)
    start = payload[:_HEAD].lstrip(b" \t\r\n")
    if not start and not payload.strip(b" \t\r\n"):
        raise UnreadableError("the payload is empty", Reason.EMPTY)
    array = payload.lstrip(b" \t\r\n").startswith(b"[") if not start else start.startswith(b"[")
    if form is Form.SENML and not array:
        raise UnreadableError("a SenML pack is an array of records")
    if not array:
        return parse_object(layout, payload)
    if form is Form.SENML or any(key in payload[:_HEAD] for key in (b'"bn"', b'"n"', b'"bt"', b'"bver"', b'"bu"')):
        values, _ = read_array(text_of(payload))
        if not values:
            raise UnreadableError("the array is empty", Reason.EMPTY)
        if form is Form.SENML or is_senml(values):
            return parse_senml(layout, payload, values, received_at, sensor_id)
    return parse_array(layout, payload)


def _name_sensor(parsed: Parsed, sensor_id: str) -> None:
    """Put the topic's sensor where the payload names none; where it names another, that is a fault."""
    mine = []
    for run in parsed.runs:
        if run.sensor_ids[0] in ("", sensor_id):
            run.sensor_ids = [sensor_id] * len(run)
            mine.append(run)
        else:
            parsed.faults.append(_mismatch(int(run.items[0]), run.sensor_ids[0], sensor_id, len(run)))
    parsed.runs = mine
    named = parsed.columns[0]
    if named.count(MISSING) == len(named):
        parsed.columns = [[sensor_id] * len(named), *parsed.columns[1:]]
        return
    items = range(len(named)) if parsed.column_items is None else parsed.column_items
    keep = [row for row, value in enumerate(named) if value is MISSING or value is None or value == sensor_id]
    if len(keep) < len(named):
        for row in sorted(set(range(len(named))) - set(keep)):
            other = named[row] if isinstance(named[row], str) else ""
            parsed.faults.append(_mismatch(items[row], other, sensor_id, 1, str(named[row])))
        parsed.column_items = [items[row] for row in keep]
    parsed.columns = [
        [sensor_id] * len(keep),
        *([column[row] for row in keep] for column in parsed.columns[1:]),
    ]


def _mismatch(item: int, other: str, sensor_id: str, readings: int, said: str = "") -> Fault:
    detail = f"the topic names sensor {sensor_id!r}, the payload {(said or other)[:60]!r}"
    return Fault(item, other, Reason.TOPIC_MISMATCH, detail, readings)
