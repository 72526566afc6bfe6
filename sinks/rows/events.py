"""Events from outside as rows of `events_log`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.records import Event
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, place_columns, times

TABLE = "events_log"
_CODED = ("type", "zone", "source", "mode", "run_id")
_TIMES = ("valid_from", "valid_until")


def events(log: Log, records: Sequence[Placed[Event]]) -> TableRows:
    """A row an event, each time it is sent."""
    values = [placed.value for placed in records]
    columns: Columns = {name: code(getattr(value, name) for value in values) for name in _CODED}
    columns |= {name: times(getattr(value, name) for value in values) for name in _TIMES}
    received_at = times(value.received_at for value in values)
    columns |= {
        "event_id": [value.event_id for value in values],
        "polygon": [value.polygon for value in values],
        "level": np.array([int(value.level) for value in values], np.int8),
        "received_at": received_at,
    }
    return TableRows(TABLE, columns | place_columns(log, records), received_at)
