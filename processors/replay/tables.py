"""CSV and Parquet files of readings as records of a log, in the file's order: whole columns, no work per reading.

A file has the columns `sensor_id`, `observed_at` and the fields of its sensors' kinds, empty where not measured. With
the column `received_at` readings are late as a gateway would have said; without it none is, and each counts as
received when it was measured.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from schemas.batch import Batch, Mode, empty_batch
from schemas.kinds import Kind
from schemas.log import LogRecord
from schemas.registry import Snapshot

ROWS = 131_072
_CUT_MS = 10_000
_BLOCK_BYTES = 8 * 2**20
_TIMES = ("observed_at", "received_at")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
PARQUET = (".parquet", ".pq")

Ints = NDArray[np.int64]


class TableError(ValueError):
    """A file cannot be replayed; the message names file, line or column, and what is allowed."""


class FileLog:
    """The readings of files as a log: one partition a kind, a record for each stretch of a kind's rows.

    A sensor's kind is the registry's; with `kind` all rows are of it. Rows of sensors that are not registered have no
    kind then, and are only counted (`unknown`).

    With `cut` no record spans more log time than half the shortest period of a kind's sensors (at least 10 s), so that
    rules about silence see it as they would live.
    """

    def __init__(
        self, kinds: Mapping[str, Kind], registry: Snapshot, kind: str | None = None, *, cut: bool = False
    ) -> None:
        self._cut_ms = {name: _cut_ms(one, registry) for name, one in kinds.items()} if cut else {}
        self._kinds = kinds
        self._registry = registry
        self._kind = kind
        self._kind_of = {sensor_id: sensor.kind for sensor_id, sensor in registry.sensors.items()}
        self._offsets: dict[str, int] = {}
        self._log_time = 0
        self.rows = 0
        self.unknown = 0

    def records(self, path: Path, progress: Callable[[int], object] = lambda done: None) -> Iterator[LogRecord]:
        """The records of one file; `progress` gets the rows so far. Raises `TableError`."""
        read = _parquet if path.suffix.lower() in PARQUET else _csv
        fields = {field.name for kind in self._kinds_wanted() for field in kind.fields}
        try:
            for table in read(path, fields):
                yield from self._of_table(path, table)
                self.rows += len(table)
                progress(self.rows)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise TableError(f"{path}: {' '.join(str(error).split())}") from None

    def pieces(
        self, kind: Kind, ids: list[str], sensor: NDArray[np.int32], observed_at: Ints,
        values: dict[str, NDArray[np.float64]], received_at: Ints | None = None,
    ) -> Iterator[LogRecord]:  # fmt: skip
        """Rows of a kind as records; `sensor` indexes `ids`, columns have a reading a row."""
        cut_ms = self._cut_ms.get(kind.name)
        if cut_ms is None or not len(sensor):
            starts = np.zeros(min(1, len(sensor)), np.intp)
        else:
            known = np.maximum.accumulate(observed_at if received_at is None else received_at)
            span = np.maximum(known, self._log_time) // cut_ms
            starts = np.flatnonzero(np.append(True, span[1:] != span[:-1]))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(sensor)], strict=True):
            rows = slice(start, end)
            yield self.record(
                kind, ids, sensor[rows], observed_at[rows], {name: column[rows] for name, column in values.items()},
                None if received_at is None else received_at[rows],
            )  # fmt: skip

    def record(
        self, kind: Kind, ids: list[str], sensor: NDArray[np.int32], observed_at: Ints,
        values: dict[str, NDArray[np.float64]], received_at: Ints | None = None,
    ) -> LogRecord:  # fmt: skip
        """Rows of a kind as one record, the next of its partition."""
        if len(ids) > len(sensor):
            # an engine looks at every sensor that a record names
            used, place = np.unique(sensor, return_inverse=True)
            ids, sensor = [ids[number] for number in used.tolist()], place.astype(np.int32)
        known = observed_at if received_at is None else received_at
        self._log_time = max(self._log_time, int(known.max()))
        late = np.zeros(len(sensor), np.bool_)
        if received_at is not None:
            late = observed_at < received_at - round(kind.max_delay_s * 1000)
        batch = Batch(
            kind.name, "replay", "file", Mode.LIVE, "", int(known.min()), ids, sensor, observed_at, late, values,
            self._registry.version,
        )  # fmt: skip
        return LogRecord(kind.name, 0, self._next_offset(kind), self._log_time, batch)

    def tick(self, kind: Kind, log_time: int) -> LogRecord:
        """A control record that only says that time has passed."""
        self._log_time = max(self._log_time, log_time)
        batch = empty_batch(kind, "replay", "file", log_time, self._registry.version)
        return LogRecord(kind.name, 0, self._next_offset(kind), self._log_time, batch, "tick")

    def _next_offset(self, kind: Kind) -> int:
        offset = self._offsets.get(kind.name, 0)
        self._offsets[kind.name] = offset + 1
        return offset

    def _kinds_wanted(self) -> list[Kind]:
        return [self._kinds[self._kind]] if self._kind else list(self._kinds.values())

    def _of_table(self, path: Path, table: pa.RecordBatch) -> Iterator[LogRecord]:
        if not len(table):
            return
        column = _column(path, table, "sensor_id")
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        if column.null_count:
            raise TableError(f"{path}: a row near {self.rows + 2} has no sensor_id")
        codes = column.indices.to_numpy(zero_copy_only=False)
        # a dictionary may hold every sensor of the file: only those of these rows are looked at
        used = np.flatnonzero(np.bincount(codes, minlength=len(column.dictionary)))
        names: list[str] = column.dictionary.take(pa.array(used)).to_pylist()
        place = np.zeros(len(column.dictionary), np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        sensor = place[codes]
        times = {name: _times(path, table, name, self.rows) for name in _TIMES if name in table.schema.names}
        if "observed_at" not in times:
            raise TableError(f"{path}: no column observed_at; columns: {', '.join(table.schema.names)}")
        for kind, rows in self._parts(names, sensor):
            yield from self._records(path, table, kind, rows, names, sensor, times)

    def _parts(self, names: list[str], sensor: NDArray[np.int32]) -> Iterator[tuple[Kind, NDArray[np.intp] | None]]:
        """The rows of each kind; None: all of them."""
        if self._kind:
            yield self._kinds[self._kind], None
            return
        kinds = [self._kind_of.get(name, "") for name in names]
        present = dict.fromkeys(kinds)
        number = {name: place for place, name in enumerate(present)}
        of_row = np.array([number[name] for name in kinds], np.int16)[sensor]
        for name in present:
            rows = np.flatnonzero(of_row == number[name])
            if name in self._kinds:
                yield self._kinds[name], None if len(present) == 1 else rows
            else:
                self.unknown += len(rows)

    def _records(
        self, path: Path, table: pa.RecordBatch, kind: Kind, rows: NDArray[np.intp] | None, names: list[str],
        sensor: NDArray[np.int32], times: Mapping[str, Ints],
    ) -> Iterator[LogRecord]:  # fmt: skip
        values = {}
        for field in kind.fields:
            if field.name in table.schema.names:
                column = _numbers(path, table, field.name)
            elif field.optional:
                column = np.full(len(table), np.nan)
            else:
                raise TableError(
                    f"{path}: {kind.name} needs the column {field.name}; columns: {', '.join(table.schema.names)}"
                )
            values[field.name] = column if rows is None else column[rows]
            if not field.optional and np.isnan(values[field.name]).any():
                at = int(np.flatnonzero(np.isnan(values[field.name]))[0])
                row = self.rows + (at if rows is None else int(rows[at]))
                raise TableError(f"{path}: row {row + 1} of the data: {kind.name} needs a value of {field.name}")
        chosen = {name: column if rows is None else column[rows] for name, column in times.items()}
        own = sensor if rows is None else sensor[rows]
        yield from self.pieces(kind, names, own, chosen["observed_at"], values, chosen.get("received_at"))


def _cut_ms(kind: Kind, registry: Snapshot) -> int:
    periods = [kind.period_s]
    for sensor in registry.sensors.values():
        own = sensor.attributes.get("period_s")
        if sensor.kind == kind.name and isinstance(own, float) and own > 0:
            periods.append(own)
    return max(_CUT_MS, round(min(periods) * 1000) // 2)


def rows_of(path: Path) -> int | None:
    """How many readings a Parquet file says it has; None for others."""
    if path.suffix.lower() not in PARQUET:
        return None
    try:
        return int(pyarrow.parquet.ParquetFile(path).metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: {' '.join(str(error).split())}") from None


def _parquet(path: Path, fields: set[str]) -> Iterator[pa.RecordBatch]:
    file = pyarrow.parquet.ParquetFile(path, read_dictionary=["sensor_id"])
    wanted = [name for name in file.schema_arrow.names if name in fields or name == "sensor_id" or name in _TIMES]
    yield from file.iter_batches(batch_size=ROWS, columns=wanted)


def _csv(path: Path, fields: set[str]) -> Iterator[pa.RecordBatch]:
    with _open(path) as file:
        reader = csv.reader(line.decode("utf-8-sig") for line in file)
        names, first = next(reader, []), next(reader, [])
    if not first:
        raise TableError(f"{path}: no rows after the line of column names")
    types: dict[str, pa.DataType] = {"sensor_id": pa.dictionary(pa.int32(), pa.string())}
    for name, text in zip(names, first, strict=False):
        if name in _TIMES:
            types[name] = _time_type(text)
        elif name in fields:
            types[name] = pa.float64()
    wanted = [name for name in names if name in types]
    with _open(path) as file:
        yield from pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=wanted, timestamp_parsers=[pyarrow.csv.ISO8601],
                null_values=["", "nan", "NaN", "null"],
            ),
        )  # fmt: skip


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _time_type(text: str) -> pa.DataType:
    text = text.strip()
    if re.fullmatch(r"-?\d{10,}", text):
        return pa.int64()
    return pa.timestamp("ms", "UTC") if _OFFSET.search(text) else pa.timestamp("ms")


def _column(path: Path, table: pa.RecordBatch, name: str) -> Any:
    if name not in table.schema.names:
        raise TableError(f"{path}: no column {name}; columns: {', '.join(table.schema.names)}")
    return table.column(name)


def _times(path: Path, table: pa.RecordBatch, name: str, rows_before: int) -> Ints:
    """A column of times in ms UTC: timestamps of any unit, or whole numbers that are epoch milliseconds."""
    column = table.column(name)
    if column.null_count:
        row = rows_before + int(np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False))[0]) + 1
        raise TableError(f"{path}: row {row} of the data has no {name}")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
        return column.view(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    raise TableError(f"{path}: {name} is {column.type}; allowed: timestamps, or epoch milliseconds as whole numbers")


def _numbers(path: Path, table: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise TableError(f"{path}: {name} is {column.type}; allowed: numbers")
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
