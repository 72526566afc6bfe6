"""Parsed payloads against the kind and the registry: what is accepted, and the faults of the rest.

Pure: the registry's sensors and the time of receipt are passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ingest.known import KnownSensors
from ingest.layout import Layout
from ingest.parsed import Fault, Parsed, Typed
from ingest.typing_columns import type_columns
from ingest.verdicts import Verdicts
from schemas.kinds import Field
from schemas.reasons import Reason

AHEAD_MS = 60_000
"""How far ahead of the time of receipt an observation may lie: so much a clock may be wrong."""

MAX_SENSOR_ID = 200


@dataclass(slots=True)
class Accepted:
    """Readings that may be published, in the order of the payload: one entry a reading in each array.

    `rows` are rows of `known`; `late` marks those older than the kind's `max_delay_s` when received; `items` are the
    items that they came from.
    """

    known: KnownSensors
    rows: NDArray[np.int32]
    observed_at: NDArray[np.int64]
    late: NDArray[np.bool_]
    values: dict[str, NDArray[np.float64]]
    items: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True)
class Result:
    """Every reading of a payload is either accepted or counted in exactly one fault (`faults` are in item order)."""

    accepted: Accepted
    faults: list[Fault]


def validate(layout: Layout, parsed: Parsed, known: KnownSensors, received_at: int) -> Result:
    """All items of one payload, received at that time (ms UTC)."""
    faults = list(parsed.faults)
    typed = list(parsed.runs)
    if parsed.columns[0]:
        singles, more = type_columns(layout, parsed.columns, parsed.column_items)
        faults += more
        typed.append(singles)
    accepted, more = judge(layout, join(layout, typed), known, received_at)
    faults += more
    if faults:
        faults.sort(key=lambda fault: fault.item)
        for fault in faults:
            fault.sensor_id = tidy(fault.sensor_id)
    return Result(accepted, faults)


def tidy(sensor_id: str) -> str:
    """A sensor id as a sender wrote it, made safe to store and answer: bounded, and without lone surrogates."""
    return sensor_id[:MAX_SENSOR_ID].encode("utf-8", "replace").decode()


def join(layout: Layout, parts: Sequence[Typed]) -> Typed:
    """Typed readings one behind the other, in the order of their items."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.empty(0, np.int64)
        return Typed([], none, {field.name: np.empty(0) for field in layout.fields}, none)
    items = np.concatenate([part.items for part in parts])
    ids = [sensor_id for part in parts for sensor_id in part.sensor_ids]
    times = np.concatenate([part.observed_at for part in parts])
    values = {field.name: np.concatenate([part.values[field.name] for part in parts]) for field in layout.fields}
    if (np.diff(items) < 0).any():
        order = np.argsort(items, kind="stable")
        ids = [ids[row] for row in order.tolist()]
        times, items = times[order], items[order]
        values = {name: column[order] for name, column in values.items()}
    return Typed(ids, times, values, items)


def judge(layout: Layout, typed: Typed, known: KnownSensors, received_at: int) -> tuple[Accepted, list[Fault]]:
    """Typed readings against the registry, the time of receipt and the ranges of the kind."""
    ids, times, values = typed.sensor_ids, typed.observed_at, typed.values
    verdicts = Verdicts(typed.items, ids)
    find = known.rows.get
    rows = np.fromiter([find(sensor_id, -1) for sensor_id in ids], np.int32, len(ids))
    if len(rows):
        if rows.min() < 0:
            _reject_strangers(layout, ids, np.flatnonzero(rows < 0), known, verdicts)
        if times.max() > received_at + AHEAD_MS:
            ahead = np.flatnonzero(times > received_at + AHEAD_MS)
            verdicts.reject(ahead, Reason.IN_THE_FUTURE, lambda row: _ahead(int(times[row]), received_at))
        for field in layout.fields:
            _check_range(field, values[field.name], verdicts)
    good = verdicts.good()
    if good is not None:
        rows, times = rows[good], times[good]
        values = {name: column[good] for name, column in values.items()}
    late = times < received_at - int(layout.kind.max_delay_s * 1000)
    items = typed.items if good is None else typed.items[good]
    return Accepted(known, rows, times, late, values, items), verdicts.faults


def _reject_strangers(
    layout: Layout, ids: Sequence[str], strangers: NDArray[np.intp], known: KnownSensors, verdicts: Verdicts
) -> None:
    nameless = [row for row in strangers.tolist() if not ids[row]]  # a run may name no sensor
    verdicts.reject(nameless, Reason.MISSING_FIELD, lambda _: "sensor_id is missing")
    elsewhere = {row: known.kind_elsewhere(ids[row]) for row in strangers.tolist()}
    unknown = [row for row, kind in elsewhere.items() if kind is None or kind == layout.kind.name]
    wrong = [row for row, kind in elsewhere.items() if kind is not None and kind != layout.kind.name]
    verdicts.reject(unknown, Reason.UNKNOWN_SENSOR, lambda row: f"sensor {ids[row][:80]!r} is not in the registry")
    verdicts.reject(
        wrong,
        Reason.WRONG_KIND,
        lambda row: f"sensor {ids[row][:80]!r} is registered as {elsewhere[row]}, not {layout.kind.name}",
    )


def _check_range(field: Field, column: NDArray[np.float64], verdicts: Verdicts) -> None:
    # fmin and fmax skip NaN, which is "not measured"
    if np.fmin.reduce(column) >= field.minimum and np.fmax.reduce(column) <= field.maximum:
        return
    outside = np.flatnonzero((column < field.minimum) | (column > field.maximum))
    if len(outside):
        bounds = f"{field.minimum:g} to {field.maximum:g} {field.unit}"
        verdicts.reject(
            outside, Reason.OUT_OF_RANGE, lambda row: f"{field.name} is {column[row]:g}; allowed is {bounds}"
        )


def _ahead(observed_at: int, received_at: int) -> str:
    said = datetime.fromtimestamp(observed_at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"observed_at {said} is {(observed_at - received_at) / 1000:.0f} s ahead of the time of receipt"
