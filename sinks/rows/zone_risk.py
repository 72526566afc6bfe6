"""Changes of the risk index as rows of `zone_risk_log`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.records import ZoneRisk
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, numbers, place_columns, times

TABLE = "zone_risk_log"


def zone_risks(log: Log, records: Sequence[Placed[ZoneRisk]]) -> TableRows:
    """A row a change."""
    values = [placed.value for placed in records]
    columns: Columns = {name: code(getattr(value, name) for value in values) for name in ("zone", "mode", "run_id")}
    at = times(value.at for value in values)
    columns |= {
        "at": at,
        "sequence": numbers(value.sequence for value in values),
        "risk_index": np.array([value.index for value in values], np.float64),
        "level": np.array([int(value.level) for value in values], np.int8),
        "evidence": [value.evidence for value in values],
    }
    return TableRows(TABLE, columns | place_columns(log, records), at)
