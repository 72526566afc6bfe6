"""Readings of many messages of one kind, validated together: what costs per call is paid once for hundreds. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ingest.forms import Form, parse
from ingest.forms.gzipped import MAGIC, decompress
from ingest.forms.objects import fast_object
from ingest.known import KnownSensors
from ingest.layout import Layout
from ingest.parsed import MISSING, NO_ITEM, Fault, Typed, UnreadableError
from ingest.typing_columns import type_columns
from ingest.validate import Accepted, join, judge, tidy
from schemas.reasons import Reason

Originals = Callable[[int], bytes]


class Gather:
    """Messages of a kind; each is known by the number that the caller gives it, in rising order."""

    def __init__(self, layout: Layout, limit: int) -> None:
        self._layout = layout
        self._limit = limit
        self._rows: list[tuple[Any, ...]] = []
        self._row_items: list[int] = []
        self._runs: list[Typed] = []
        self._faults: list[Fault] = []
        self._items = 0
        # of each message: its first item, its number, and how to find the bytes of its items
        self._starts: list[int] = []
        self._messages: list[tuple[int, Originals | None]] = []
        self.faulty: list[tuple[int, Originals | None, Fault]] = []
        self.forms: Counter[str] = Counter()
        self.unknown_fields = 0

    def add(self, message: int, sensor_id: str, payload: bytes, received_at: int) -> None:
        """A message whose topic names the sensor; never raises: what is wrong becomes a fault."""
        row = fast_object(self._layout, payload)
        if row is not None and (row[0] is MISSING or row[0] == sensor_id):
            self._rows.append((sensor_id, *row[1:]))
            self._row_items.append(self._items)
            self._begin(message, None, 1)
            self.forms["object"] += 1
            return
        try:
            body = decompress(payload, self._limit) if payload.startswith(MAGIC) else payload
            if len(body) > self._limit:
                raise UnreadableError(f"{len(body)} bytes; the limit is {self._limit}", Reason.TOO_LARGE)
            parsed = parse(self._layout, body, Form.JSON, received_at, sensor_id)
        except UnreadableError as error:
            self.faulty.append((message, None, Fault(NO_ITEM, sensor_id, error.reason, error.detail)))
            self.forms["unreadable"] += 1
            return
        first = self._items
        if parsed.columns[0]:
            self._rows.extend(zip(*parsed.columns, strict=True))
            numbers = range(len(parsed.columns[0])) if parsed.column_items is None else parsed.column_items
            self._row_items.extend(first + number for number in numbers)
        for run in parsed.runs:
            run.items = run.items + first
            self._runs.append(run)
        for fault in parsed.faults:
            fault.item += first
            self._faults.append(fault)
        self.forms[parsed.form] += 1
        self.unknown_fields += parsed.unknown_fields
        self._begin(message, parsed.original, parsed.items)

    def _begin(self, message: int, original: Originals | None, items: int) -> None:
        self._starts.append(self._items)
        self._messages.append((message, original))
        self._items += items

    def finish(self, known: KnownSensors, received_at: int) -> Accepted:
        """Validate everything; `faulty` then has message, original bytes and fault (items numbered in the message)."""
        faults = self._faults
        typed = self._runs
        if self._rows:
            columns = list(zip(*self._rows, strict=True))
            singles, more = type_columns(self._layout, columns, np.array(self._row_items, np.int64))
            faults += more
            typed.append(singles)
        accepted, more = judge(self._layout, join(self._layout, typed), known, received_at)
        faults += more
        for fault in faults:
            place = bisect_right(self._starts, fault.item) - 1
            message, original = self._messages[place]
            fault.item -= self._starts[place]
            fault.sensor_id = tidy(fault.sensor_id)
            self.faulty.append((message, original, fault))
        return accepted
