"""Batches of readings as columns of `readings_<kind>`: numpy from end to end, no work per reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from sinks.native import Coded, code
from sinks.rows.place import Columns, Log, Placed, TableRows, constant

_MODE_NUMBERS = {mode: number for number, mode in enumerate(Mode)}


def readings(kind: Kind, log: Log, batches: Sequence[Placed[Batch]]) -> TableRows:
    """The rows of batches in log order, a row a reading; control records (empty batches) give none."""
    filled = [placed for placed in batches if len(placed.value)]
    lengths = np.array([len(placed.value) for placed in filled], np.int64)
    total = int(lengths.sum())
    observed_at = _joined([placed.value.observed_at for placed in filled], np.int64)
    starts = np.cumsum(lengths) - lengths

    def repeated(values: list[int], dtype: Any) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype), lengths)

    def texts(of: Callable[[Batch], str]) -> Coded:
        coded = code(of(placed.value) for placed in filled)
        return Coded(coded.values, np.repeat(coded.codes, lengths))

    columns: Columns = {
        "sensor_id": _sensor_ids([placed.value for placed in filled], lengths),
        "observed_at": observed_at,
    }
    for field in kind.fields:
        columns[field.name] = _joined([placed.value.values[field.name] for placed in filled], np.float64)
    columns |= {
        "late": _joined([placed.value.late for placed in filled], np.bool_),
        "mode": repeated([_MODE_NUMBERS[placed.value.mode] for placed in filled], np.int8),
        "run_id": texts(lambda batch: batch.run_id),
        "gateway": texts(lambda batch: batch.gateway),
        "source": texts(lambda batch: batch.source),
        "received_at": repeated([placed.value.received_at for placed in filled], np.int64),
        "registry_version": repeated([max(0, placed.value.registry_version) for placed in filled], np.int64),
        "log_time": repeated([placed.log_time for placed in filled], np.int64),
        "log_generation": constant(log.generation, total),
        "log_partition": np.full(total, log.partition, np.uint32),
        "log_offset": repeated([placed.offset for placed in filled], np.int64),
        "log_index": np.arange(total, dtype=np.int64) - np.repeat(starts, lengths),
    }
    return TableRows(kind.table, columns, observed_at)


def _sensor_ids(batches: Sequence[Batch], lengths: NDArray[np.int64]) -> Coded:
    # each batch indexes its own list of ids: first that list to codes of the block, then the readings through it
    ids = code(chain.from_iterable(batch.sensor_ids for batch in batches))
    sizes = np.array([len(batch.sensor_ids) for batch in batches], np.int64)
    starts = np.repeat(np.cumsum(sizes) - sizes, lengths)
    return Coded(ids.values, ids.codes[_joined([batch.sensor for batch in batches], np.int64) + starts])


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(arrays, dtype=dtype, casting="same_kind") if arrays else np.empty(0, dtype)
