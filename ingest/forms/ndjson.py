"""NDJSON: an object a line, each on its own: one bad line costs no other. Items are the lines that are not blank."""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.forms.exact_json import read_value, text_of
from ingest.forms.objects import _REFUSED, collect, keys_add_up
from ingest.layout import Layout
from ingest.parsed import Parsed, UnreadableError
from schemas.reasons import Reason


def parse_lines(layout: Layout, payload: bytes) -> Parsed:
    """Raises UnreadableError (empty) when there is no line; a bad line is a fault of its own."""
    lines = _Lines(payload)
    if b"\\" not in payload:
        try:
            records = layout.object_decoder.decode_lines(payload)
        except _REFUSED:
            records = []
        if records:
            columns = list(zip(*map(msgspec.structs.astuple, records), strict=True))
            adds_up, unknown = keys_add_up(layout, payload, columns)
            if adds_up:
                return Parsed("ndjson", len(records), columns, lines, unknown_fields=unknown)
    values: list[Any] = []
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

    def __call__(self, item: int) -> bytes:
        return self.all()[item]
