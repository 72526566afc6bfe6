"""Signals as rows of `signals_log`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.records import Signal
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, numbers, place_columns, times

TABLE = "signals_log"
_CODED = ("rule_id", "kind", "sensor_id", "zone", "asset_id", "transition", "mode", "type", "run_id")
_TEXTS = ("signal_id", "alert_id", "evidence", "sensors", "assets", "contributing", "departments")
_NUMBERS = ("rule_version", "registry_version", "sequence", "priority")


def signals(log: Log, records: Sequence[Placed[Signal]]) -> TableRows:
    """A row a signal."""
    values = [placed.value for placed in records]
    columns: Columns = {name: code(getattr(value, name) for value in values) for name in _CODED}
    columns |= {name: [getattr(value, name) for value in values] for name in _TEXTS}
    columns |= {name: numbers(getattr(value, name) for value in values) for name in _NUMBERS}
    at = times(value.at for value in values)
    columns |= {
        "level": np.array([int(value.level) for value in values], np.int8),
        "previous_level": np.array([int(value.previous_level) for value in values], np.int8),
        "onset_at": times(value.onset_at for value in values),
        "at": at,
        "value": np.array([value.value for value in values], np.float64),
        "reading_partition": numbers(value.log_partition for value in values),
        "reading_offset": numbers(value.log_offset for value in values),
        "reading_index": numbers(value.log_index for value in values),
        "published_at": times(value.published_at for value in values),
    }
    return TableRows(TABLE, columns | place_columns(log, records), at)
