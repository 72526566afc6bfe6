"""JSON objects: one reading, or one run of samples, in each; and arrays and lines of them.

The fast way decodes straight into the kind's columns. It cannot see a key that stands twice or one that the kind does
not know, so it counts quotation marks: without a backslash in the payload, they are two for each known key and each
text value, and any further ones belong to other keys. Whatever does not add up goes the exact way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from ingest.forms.exact_json import Twice, read_array, read_value, text_of
from ingest.forms.measure import check_items
from ingest.forms.runs import parse_run, run_of_payload
from ingest.layout import RATE, SENSOR, Layout
from ingest.parsed import MISSING, Fault, Parsed, UnreadableError
from schemas.reasons import Reason

_astuple = msgspec.structs.astuple
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_QUOTED_RATE = f'"{RATE}"'.encode()
_QUOTE = ord('"')


def fast_object(layout: Layout, payload: bytes) -> tuple[Any, ...] | None:
    """The row of a plain reading; None when it needs the exact way."""
    if b"\\" in payload:
        return None
    try:
        row: tuple[Any, ...] = _astuple(layout.object_decoder.decode(payload))
    except _REFUSED:
        return None
    keys = len(row) - row.count(MISSING)
    texts = (type(row[0]) is str) + (type(row[1]) is str)
    return row if payload.count(b'"') == 2 * (keys + texts) else None


def parse_object(layout: Layout, payload: bytes) -> Parsed:
    """A payload that is one object. Raises UnreadableError."""
    row = fast_object(layout, payload)
    if row is not None:
        return Parsed("object", 1, [(value,) for value in row], lambda _: payload)
    if _QUOTED_RATE in payload:
        run = run_of_payload(layout, payload)
        if run is not None:
            return Parsed("samples", 1, [()] * len(layout.names), lambda _: payload, runs=[run])
    parsed = collect(layout, "object", [read_value(text_of(payload))])
    parsed.original = lambda _: payload
    if parsed.runs:
        parsed.form = "samples"
    return parsed


def parse_array(layout: Layout, payload: bytes) -> Parsed:
    """A payload that is an array of objects. Raises UnreadableError."""
    columns, unknown = _fast_array(layout, payload)
    if columns is not None:
        count = len(columns[0])
        return Parsed("array", count, columns, _Slices(payload), unknown_fields=unknown)
    text = text_of(payload)
    values, spans = read_array(text)
    if not values:
        raise UnreadableError("the array is empty", Reason.EMPTY)
    parsed = collect(layout, "array", values)
    parsed.original = lambda item: text[slice(*spans[item])].encode()
    return parsed


def _fast_array(layout: Layout, payload: bytes) -> tuple[Sequence[Sequence[Any]] | None, bool]:
    if b"\\" in payload:
        return None, False
    try:
        records = layout.array_decoder.decode(payload)
    except _REFUSED:
        return None, False
    check_items(len(records))
    if not records:
        return None, False
    columns = list(zip(*map(_astuple, records), strict=True))
    adds_up, unknown = keys_add_up(layout, payload, columns)
    return (columns if adds_up else None), unknown


def keys_add_up(layout: Layout, payload: bytes, columns: Sequence[Sequence[Any]]) -> tuple[bool, bool]:
    """Does each known key stand once where it was found; and are there keys that the kind does not know?"""
    present = [len(column) - column.count(MISSING) for column in columns]
    texts = sum(_texts(column) for column in columns)
    quotes = int(np.count_nonzero(np.frombuffer(payload, np.uint8) == _QUOTE))
    if quotes == 2 * (sum(present) + texts):
        return True, False
    once = all(payload.count(name) == n for name, n in zip(layout.quoted_names, present, strict=True))
    return once and _QUOTED_RATE not in payload, True


def _texts(column: Sequence[Any]) -> int:
    types = set(map(type, column))
    if str not in types:
        return 0
    return len(column) if len(types) == 1 else sum(type(value) is str for value in column)


class _Slices:
    """The bytes of each element of a well-formed array, found when first asked for."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._slices: list[msgspec.Raw] | None = None

    def __call__(self, item: int) -> bytes:
        if self._slices is None:
            self._slices = _RAW.decode(self._payload)
        return bytes(self._slices[item])


def collect(layout: Layout, form: str, values: Sequence[Any]) -> Parsed:
    """Items from exact JSON values; an item that is an UnreadableError becomes a fault. `original` is left to set."""
    rows: list[tuple[Any, ...]] = []
    parsed = Parsed(form, len(values), [], lambda _: b"", column_items=[])
    items: list[int] = []
    for item, value in enumerate(values):
        if isinstance(value, UnreadableError):
            parsed.faults.append(Fault(item, "", value.reason, value.detail))
        elif not isinstance(value, dict):
            what = "null" if value is None else type(value).__name__
            parsed.faults.append(Fault(item, "", Reason.UNREADABLE, f"an item must be an object, this is a {what}"))
        elif isinstance(value, Twice):
            parsed.faults.append(
                Fault(item, named(value), Reason.UNREADABLE, f"the key {value.key[:60]!r} stands twice")
            )
        elif RATE in value:
            run = parse_run(layout, value, item)
            parsed.runs += run.typed
            parsed.faults += run.faults
            parsed.unknown_fields |= run.unknown_fields
        else:
            rows.append(layout.row(value))
            items.append(item)
            parsed.unknown_fields |= len(value) > len(rows[-1]) - rows[-1].count(MISSING)
    parsed.columns = list(zip(*rows, strict=True)) if rows else [()] * len(layout.names)
    parsed.column_items = items
    return parsed


def named(value: dict[str, Any]) -> str:
    """The sensor that an object names, as far as it does."""
    sensor = value.get(SENSOR)
    return sensor if isinstance(sensor, str) else ""
