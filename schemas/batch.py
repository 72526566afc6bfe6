"""One Kafka record of `readings.<kind>`: a batch of readings in columns.

The Avro schema of a kind's batch is derived from the kind: who published it, then the unique sensor ids, then one
array a column, a reading being one index into all of them. It stays plain Avro that any client can decode. An empty
`late` means that no reading is late; an empty column of an optional field that none was measured; NaN in it that this
reading lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import avro_arrays as arrays
from schemas.kinds import Kind
from schemas.wire import DecodeError, RegisteredSchema, SchemaStore, decode_avro, head, schema_id, split

# A control record is an empty batch with this header: `tick`, `rules=<version>`, `registry=<version>`, `mode=<mode>`.
CONTROL_HEADER = "riskstream-control"

_MODES = ("live", "history", "exercise")
_TIME = {"type": "long", "logicalType": "timestamp-millis"}


class Mode(StrEnum):
    """Why a reading is sent: live is judged, an exercise is judged and marked, history is stored and not judged."""

    LIVE = "live"
    HISTORY = "history"
    EXERCISE = "exercise"


@dataclass(slots=True)
class Batch:
    """Readings in columns; arrays have one entry a reading, in log order.

    `received_at` is when the gateway received the oldest of them and `observed_at` when each was measured, both in ms
    since 1970 UTC. `sensor` indexes `sensor_ids`. `values` has each field of the kind; NaN is "not measured".
    `registry_version` is the registry that the gateway knew: whoever judges the batch knows at least that one.
    """

    kind: str
    gateway: str
    source: str
    mode: Mode
    run_id: str
    received_at: int
    sensor_ids: list[str]
    sensor: NDArray[np.int32]
    observed_at: NDArray[np.int64]
    late: NDArray[np.bool_]
    values: dict[str, NDArray[np.float64]]
    registry_version: int = 0

    def __len__(self) -> int:
        return len(self.observed_at)


def empty_batch(kind: Kind, gateway: str, source: str, received_at: int, registry_version: int = 0) -> Batch:
    """A batch of no readings, as control records carry."""
    return Batch(
        kind.name, gateway, source, Mode.LIVE, "", received_at, [], np.empty(0, np.int32), np.empty(0, np.int64),
        np.empty(0, np.bool_), {field.name: np.empty(0) for field in kind.fields}, registry_version,
    )  # fmt: skip


def batch_subject(kind: str) -> str:
    return f"readings.{kind}-value"


def batch_schema(kind: Kind) -> dict[str, Any]:
    """The Avro schema of a kind's batches."""
    title = "".join(part.capitalize() for part in kind.name.split("_"))

    def column(name: str, items: Any, doc: str, **attributes: Any) -> dict[str, Any]:
        return {
            "name": name,
            "type": {"type": "array", "items": items},
            "default": [],
            "doc": doc,
            **attributes,
        }

    return {
        "type": "record",
        "name": f"{title}Batch",
        "namespace": "riskstream.readings",
        "doc": f"A batch of readings in columns. {kind.doc}",
        "fields": [
            {"name": "gateway", "type": "string", "doc": "Instance of the gateway that published the batch."},
            {"name": "source", "type": "string", "doc": "The way in: mqtt, http, requeue, processor."},
            {"name": "mode", "type": {"type": "enum", "name": "Mode", "symbols": list(_MODES)},
             "doc": "live is judged, exercise is judged and marked, history is stored and not judged."},
            {"name": "run_id", "type": "string", "default": "", "doc": "The run of a replay, requeue or exercise."},
            {"name": "received_at", "type": _TIME, "doc": "When the gateway received the oldest reading of the batch."},
            {"name": "registry_version", "type": "int", "default": 0, "doc": "The registry that the gateway knew."},
            column("sensor_ids", "string", "The batch's sensors, each once."),
            column("sensor", "int", "Of each reading: index into sensor_ids."),
            column("observed_at", _TIME, "Of each reading: when it was measured."),
            column("late", "boolean", "Of each reading: older than max_delay_s when received. Empty: none is."),
            *(
                column(
                    field.name, "double",
                    field.doc + (" NaN: not measured; empty: by none of the readings." if field.optional else ""),
                    unit=field.unit, resolution=field.resolution,
                )
                for field in kind.fields
            ),
        ],
    }  # fmt: skip


def encode_batch(kind: Kind, batch: Batch) -> bytes:
    """The batch in the wire format. Raises `ValueError` if the columns do not have the same length."""
    count = len(batch.observed_at)
    columns = [batch.values[field.name] for field in kind.fields]
    if any(len(column) != count for column in (batch.sensor, batch.late, *columns)):
        raise ValueError(f"the columns of a {kind.name} batch differ in length")
    parts = [
        head(_schema_id_of(kind)),
        arrays.write_string(batch.gateway),
        arrays.write_string(batch.source),
        arrays.write_long(_MODES.index(batch.mode)),
        arrays.write_string(batch.run_id),
        arrays.write_long(batch.received_at),
        arrays.write_long(batch.registry_version),
        arrays.write_strings(batch.sensor_ids),
        arrays.write_longs(batch.sensor),
        arrays.write_longs(batch.observed_at),
        arrays.write_booleans(batch.late) if batch.late.any() else b"\x00",
    ]
    for field, column in zip(kind.fields, columns, strict=True):
        absent = field.optional and bool(np.isnan(column).all())
        parts.append(b"\x00" if absent else arrays.write_doubles(column))
    return b"".join(parts)


_ids: dict[str, tuple[Kind, int]] = {}


def _schema_id_of(kind: Kind) -> int:
    known = _ids.get(kind.name)
    if known is None or known[0] is not kind:
        known = _ids[kind.name] = (kind, schema_id(batch_schema(kind)))
    return known[1]


class BatchCodec:
    """Decodes batches of the given kinds, whatever recorded schema version wrote them."""

    def __init__(self, kinds: Mapping[str, Kind], store: SchemaStore | None = None) -> None:
        self._store = store or SchemaStore({batch_subject(k.name): batch_schema(k) for k in kinds.values()})
        self._current = {self._store.latest(batch_subject(k.name)).schema_id: k for k in kinds.values()}
        self._kinds = {batch_subject(k.name): k for k in kinds.values()}

    def decode(self, data: bytes) -> Batch:
        """Columns may be read-only views into `data`. Raises `DecodeError`."""
        number, body = split(data)
        kind = self._current.get(number)
        try:
            batch = self._decode_older(number, body) if kind is None else _decode_current(kind, body)
        except arrays.ArrayError as error:
            raise DecodeError(f"not a batch of readings: {error}") from error
        _check(batch)
        return batch

    def _decode_older(self, number: int, body: memoryview) -> Batch:
        try:
            writer = self._store.by_id(number)
            kind = self._kinds[writer.subject]
        except KeyError:
            raise DecodeError(f"schema id {number} is not that of a batch of readings of a known kind") from None
        reader: RegisteredSchema = self._store.latest(writer.subject)
        record = decode_avro(body, writer, reader)
        count = len(record["observed_at"])
        return Batch(
            kind.name, record["gateway"], record["source"], Mode(record["mode"]), record["run_id"],
            _milliseconds(record["received_at"]), record["sensor_ids"], np.array(record["sensor"], np.int32),
            np.array([_milliseconds(t) for t in record["observed_at"]], np.int64),
            _or_none(np.array(record["late"], np.bool_), count, np.bool_(False)),
            {f.name: _or_none(np.array(record[f.name], np.float64), count, np.float64("nan")) for f in kind.fields},
            record["registry_version"],
        )  # fmt: skip


def _decode_current(kind: Kind, body: memoryview) -> Batch:
    gateway, at = arrays.read_string(body, 0)
    source, at = arrays.read_string(body, at)
    mode, at = arrays.read_long(body, at)
    if not 0 <= mode < len(_MODES):
        raise DecodeError(f"mode {mode} is not one of {', '.join(_MODES)}")
    run_id, at = arrays.read_string(body, at)
    received_at, at = arrays.read_long(body, at)
    registry_version, at = arrays.read_long(body, at)
    sensor_ids, at = arrays.read_strings(body, at)
    sensor, at = arrays.read_longs(body, at)
    observed_at, at = arrays.read_longs(body, at)
    late, at = arrays.read_booleans(body, at)
    values = {}
    for field in kind.fields:
        column, at = arrays.read_doubles(body, at)
        values[field.name] = _or_none(column, len(observed_at), np.float64("nan"))
    if at != len(body):
        raise DecodeError(f"{len(body) - at} bytes are left over behind the batch")
    late = _or_none(late, len(observed_at), np.bool_(False))
    return Batch(
        kind.name, gateway, source, Mode(_MODES[mode]), run_id, received_at, sensor_ids, sensor.astype(np.int32),
        observed_at, late, values, registry_version,
    )  # fmt: skip


def _or_none(column: NDArray[Any], count: int, nothing: np.generic) -> NDArray[Any]:
    return column if len(column) or not count else np.full(count, nothing)


def _milliseconds(time: Any) -> int:
    return time if isinstance(time, int) else round(time.timestamp() * 1000)


def _check(batch: Batch) -> None:
    count = len(batch)
    if any(len(column) != count for column in (batch.sensor, batch.late, *batch.values.values())):
        raise DecodeError(f"the columns of the {batch.kind} batch differ in length")
    if count and not (batch.sensor.min() >= 0 and int(batch.sensor.max()) < len(batch.sensor_ids)):
        raise DecodeError(f"a reading of the {batch.kind} batch names a sensor that is not in sensor_ids")
