"""Records with their place in the log, and how rows fall into ClickHouse partitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sinks.native import Coded, ColumnData

Value = TypeVar("Value")
Columns = dict[str, ColumnData]

# what DateTime64 holds; a time outside would fall into another month here than in ClickHouse
EARLIEST_MS = 0
LATEST_MS = 10_413_792_000_000  # 2300-01-01


@dataclass(frozen=True, slots=True)
class Placed(Generic[Value]):
    """A decoded record at its offset; `log_time` is its timestamp in the log, ms UTC."""

    value: Value
    offset: int
    log_time: int


@dataclass(frozen=True, slots=True)
class Log:
    """The topic partition that records come from; `generation` is the id of the Kafka topic."""

    generation: str
    partition: int


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows for one table. `times` (ms UTC) decides the month that each falls into; None: the table has no months."""

    table: str
    columns: Columns
    times: NDArray[np.int64] | None


def place_columns(log: Log, records: Sequence[Placed[Any]]) -> Columns:
    """The columns that say where each record (one row each) stood in the log."""
    count = len(records)
    return {
        "log_time": times(record.log_time for record in records),
        "log_generation": constant(log.generation, count),
        "log_partition": np.full(count, log.partition, np.uint32),
        "log_offset": numbers(record.offset for record in records),
    }


def constant(text: str, count: int) -> Coded:
    """A text column with the same text in every row."""
    return Coded([text], np.zeros(count, np.uint8))


def times(values: Iterable[int]) -> NDArray[np.int64]:
    """Times in ms UTC, held to what DateTime64 can hold."""
    return np.clip(np.array(list(values), np.int64), EARLIEST_MS, LATEST_MS)


def numbers(values: Iterable[int]) -> NDArray[np.int64]:
    """Counts and versions; the columns are unsigned, so a negative one becomes 0."""
    return np.maximum(np.array(list(values), np.int64), 0)


def by_month(rows: TableRows) -> list[tuple[str, Columns]]:
    """The rows by month of their time (`202611`), in order of month; `all` for a table without months.

    One insert must not span ClickHouse partitions: it is whole or absent only within one.
    """
    if rows.times is None or not len(rows.times):
        return [("all", rows.columns)] if rows.columns and len(next(iter(rows.columns.values()))) else []
    first, last = _month(int(rows.times.min())), _month(int(rows.times.max()))
    if first == last:
        return [(_name(first), rows.columns)]
    months = rows.times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    found = []
    for month in np.unique(months):
        chosen = np.flatnonzero(months == month)
        found.append((_name(int(month)), {name: _take(data, chosen) for name, data in rows.columns.items()}))
    return found


def _month(time_ms: int) -> int:
    return int(np.datetime64(time_ms, "ms").astype("datetime64[M]").astype(np.int64))


def _name(month: int) -> str:
    return f"{1970 + month // 12}{month % 12 + 1:02d}"


def _take(data: ColumnData, chosen: NDArray[np.int64]) -> ColumnData:
    if isinstance(data, np.ndarray | Coded):
        return data[chosen]
    return [data[row] for row in chosen]
