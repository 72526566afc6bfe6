"""Batches to columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.batch import Batch, Mode, empty_batch
from schemas.kinds import load_kinds
from sinks.native import Coded
from sinks.rows.place import Log, Placed, TableRows, by_month
from sinks.rows.readings import readings

KIND = load_kinds()["rainfall"]
LOG = Log("gen", 2)


def batch(ids: list[str], sensor: list[int], at: list[int], **changes: Any) -> Batch:
    count = len(sensor)
    values = {
        "kind": KIND.name, "gateway": "g", "source": "mqtt", "mode": Mode.LIVE, "run_id": "", "received_at": 9,
        "sensor_ids": ids, "sensor": np.array(sensor, np.int32), "observed_at": np.array(at, np.int64),
        "late": np.zeros(count, np.bool_), "values": {"rain_mm": np.arange(count) / 2},
        "registry_version": 3,
    }  # fmt: skip
    return Batch(**{**values, **changes})


def plain(rows: TableRows) -> dict[str, list[Any]]:
    return {
        name: list(data) if isinstance(data, Coded) else np.asarray(data).tolist()
        for name, data in rows.columns.items()
    }


def test_batches_become_rows_in_log_order() -> None:
    rows = readings(
        KIND,
        LOG,
        [
            Placed(batch(["a", "b"], [1, 0, 1], [1, 2, 3]), 10, 100),
            Placed(empty_batch(KIND, "p", "processor", 0), 11, 101),
            Placed(batch(["b", "c"], [1, 0], [4, 5], mode=Mode.HISTORY, run_id="r", gateway="h"), 12, 102),
        ],
    )
    assert rows.table == "readings_rainfall"
    assert plain(rows) == {
        "sensor_id": ["b", "a", "b", "c", "b"],
        "observed_at": [1, 2, 3, 4, 5],
        "rain_mm": [0.0, 0.5, 1.0, 0.0, 0.5],
        "late": [False] * 5,
        "mode": [0, 0, 0, 1, 1],
        "run_id": ["", "", "", "r", "r"],
        "gateway": ["g", "g", "g", "h", "h"],
        "source": ["mqtt"] * 5,
        "received_at": [9] * 5,
        "registry_version": [3, 3, 3, 3, 3],
        "log_time": [100, 100, 100, 102, 102],
        "log_generation": ["gen"] * 5,
        "log_partition": [2] * 5,
        "log_offset": [10, 10, 10, 12, 12],
        "log_index": [0, 1, 2, 0, 1],
    }


def test_control_records_alone_give_no_rows() -> None:
    rows = readings(KIND, LOG, [Placed(empty_batch(KIND, "p", "processor", 0), 11, 101)])
    assert by_month(rows) == []


def test_rows_are_split_by_month_with_all_their_columns() -> None:
    day = 86_400_000
    rows = readings(KIND, LOG, [Placed(batch(["a", "b"], [0, 1, 0], [31 * day, 31 * day - 1, 32 * day]), 1, 1)])
    parts = [(month, plain(TableRows("", columns, None))) for month, columns in by_month(rows)]
    assert [(month, part["sensor_id"], part["log_index"]) for month, part in parts] == [
        ("197001", ["b"], [1]),
        ("197002", ["a", "a"], [0, 2]),
    ]
