"""NDJSON: an object a line, each on its own: one bad line costs no other. Items are the lines that are not blank."""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.forms.exact_json import read_value, text_of
from ingest.forms.measure import check_items
from ingest.forms.objects import _REFUSED, collect, keys_add_up
from ingest.layout import Layout
from ingest.parsed import Parsed, UnreadableError
from schemas.reasons import Reason

_OPENING, _CLOSING = b"{}"


def parse_lines(layout: Layout, payload: bytes) -> Parsed:
    """Raises UnreadableError (empty) when there is no line; a bad line is a fault of its own."""
    lines = _Lines(payload)
    if b"\\" not in payload:
        try:
            records = layout.object_decoder.decode_lines(payload)
        except _REFUSED:
            records = []
        check_items(len(records))
        if records and lines.hold_one_each(len(records)):
            columns = list(zip(*map(msgspec.structs.astuple, records), strict=True))
            adds_up, unknown = keys_add_up(layout, payload, columns)
            if adds_up:
                return Parsed("ndjson", len(records), columns, lines, unknown_fields=unknown)
    values: list[Any] = []
    check_items(len(lines.all()))
    for line in lines.all():
        try:
            values.append(read_value(text_of(line)))
        except UnreadableError as error:
            values.append(error)
    if not values:
        raise UnreadableError("there is no line in it", Reason.EMPTY)
    parsed = collect(layout, "ndjson", values)
    parsed.original = lines
    return parsed


class _Lines:
    """The lines that are not blank, found when first asked for."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._lines: list[bytes] | None = None

    def all(self) -> list[bytes]:
        if self._lines is None:
            stripped = (line.strip(b" \t\r") for line in self._payload.split(b"\n"))
            self._lines = [line for line in stripped if line]
        return self._lines

    def hold_one_each(self, objects: int) -> bool:
        """Is each line one of so many objects? The fast decoder also takes two on a line, and one on several lines."""
        lines = self.all()
        return len(lines) == objects and all(line[0] == _OPENING and line[-1] == _CLOSING for line in lines)

    def __call__(self, item: int) -> bytes:
        return self.all()[item]
