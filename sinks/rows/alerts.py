"""Lifecycle events of alerts as rows of `alert_events_log`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.records import Alert
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, numbers, place_columns, times

TABLE = "alert_events_log"
_CODED = (
    "event", "type", "status", "rule_id", "kind", "zone", "lead_department", "escalated_to", "mode",
)  # fmt: skip
# texts, lists of texts, and maps of texts by language
_PLAIN = ("alert_id", "departments", "owner", "sensors", "assets", "title", "advice", "evidence", "part_of")
_NUMBERS = ("sequence", "signal_sequence", "rule_version", "registry_version", "priority")
_TIMES = ("onset_at", "published_at", "updated_at")


def alert_events(log: Log, records: Sequence[Placed[Alert]]) -> TableRows:
    """A row an event."""
    values = [placed.value for placed in records]
    columns: Columns = {name: code(getattr(value, name) for value in values) for name in _CODED}
    columns |= {name: [getattr(value, name) for value in values] for name in _PLAIN}
    columns |= {name: numbers(getattr(value, name) for value in values) for name in _NUMBERS}
    columns |= {name: times(getattr(value, name) for value in values) for name in _TIMES}
    raised_at = times(value.raised_at for value in values)
    columns |= {
        "raised_at": raised_at,
        "level": np.array([int(value.level) for value in values], np.int8),
        "highest_level": np.array([int(value.highest_level) for value in values], np.int8),
        "cleared": np.array([value.cleared for value in values], np.bool_),
        "overdue": np.array([value.overdue for value in values], np.bool_),
        "due_at": [None if value.due_at is None else int(times([value.due_at])[0]) for value in values],
        "value": np.array([value.value for value in values], np.float64),
    }
    return TableRows(TABLE, columns | place_columns(log, records), raised_at)
