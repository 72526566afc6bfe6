"""Rejected readings as rows of `rejected_readings`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.records import Rejected
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, numbers, place_columns, times

TABLE = "rejected_readings"
_CODED = ("reason", "kind", "source", "gateway", "origin", "client", "mode", "run_id")
_PLAIN = ("detail", "sensor_id", "original")
_MOST_ATTEMPTS = 65535


def rejected(log: Log, records: Sequence[Placed[Rejected]]) -> TableRows:
    """A row a rejected reading or message; `original` keeps its bytes."""
    values = [placed.value for placed in records]
    columns: Columns = {name: code(getattr(value, name) for value in values) for name in _CODED}
    columns |= {name: [getattr(value, name) for value in values] for name in _PLAIN}
    received_at = times(value.received_at for value in values)
    columns |= {
        "received_at": received_at,
        "truncated": np.array([value.truncated for value in values], np.bool_),
        "readings": np.array([value.readings for value in values], np.uint32),
        "attempts": np.minimum(numbers(value.attempts for value in values), _MOST_ATTEMPTS),
    }
    return TableRows(TABLE, columns | place_columns(log, records), received_at)
