"""Signals, alerts, rejected readings and registry rows to columns: each column of the table, each value in its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.levels import Level
from schemas.records import Alert, Event, Rejected, Signal, ZoneRisk
from schemas.registry import Asset, Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC, Marker, Row
from sinks.migrate import load_migrations, statements
from sinks.native import Coded
from sinks.rows.alerts import alert_events
from sinks.rows.events import events
from sinks.rows.place import LATEST_MS, Log, Placed, TableRows
from sinks.rows.registry import registry
from sinks.rows.rejected import rejected
from sinks.rows.signals import signals
from sinks.rows.zone_risk import zone_risks

LOG = Log("gen", 2)
SIGNAL = Signal(
    "s", "rule", 1, 2, "rainfall", "a", "c/d", "asset", "changed", Level.RED, Level.BLUE, 10, 20, 3, "al", 1.5, "{}", "live", 4,
    5, 6, 30,
)  # fmt: skip
ALERT = Alert(
    "al", 3, "changed", "threshold", Level.RED, Level.RED, "raised", False, "rule", 1, 2, "rainfall", "c/d", "flood", ["flood"],
    "", ["a"], [], {"en": "t"}, {}, 10, 20, 30, 40, None, False, "", float("nan"), "{}", "live",
)  # fmt: skip
EVENT = Event("e", "rainstorm", Level.RED, "c", "", 10, 20, "weather", "live", "", 5)
RISK = ZoneRisk("c/d", 41.5, Level.YELLOW, 20, "{}", 3)
REJECTED = Rejected(b"\xff", "mqtt", "g", "o", "unreadable", "d", 10)
SENSOR = Row("a", 1, "i", Sensor("a", "rainfall", "n", "c/d", "flood", 1.0, None, "", "", {"x": 2.5, "y": "z"}))
ASSET = Row("p", 1, "i", Asset("p", "pipe", "n", "c"))
MARKER = Marker(1, "i", 1, "me", 10)


def plain(rows: TableRows) -> dict[str, Any]:
    return {name: list(data) if isinstance(data, Coded) else np.asarray(data).tolist() if isinstance(data, np.ndarray) else data
            for name, data in rows.columns.items()}  # fmt: skip


def columns_of(table: str) -> set[str]:
    """The columns that migrations give the table, without `stored_at`, which fills itself."""
    found: set[str] = set()
    for migration in load_migrations():
        for statement in statements(migration.text):
            if match := re.match(rf"CREATE TABLE IF NOT EXISTS {table} .*?\n\((.*?)\n\)", statement, re.DOTALL):
                found |= set(re.findall(r"^    (\w+) ", match[1], re.MULTILINE))
            elif re.match(rf"ALTER TABLE {table} ", statement):
                found |= set(re.findall(r"ADD COLUMN IF NOT EXISTS (\w+) ", statement))
    assert found, f"no migration makes {table}"
    return found - {"stored_at"}


@pytest.mark.parametrize(
    "rows",
    [
        signals(LOG, [Placed(SIGNAL, 7, 8)]),
        alert_events(LOG, [Placed(ALERT, 7, 8)]),
        rejected(LOG, [Placed(REJECTED, 7, 8)]),
        events(LOG, [Placed(EVENT, 7, 8)]),
        zone_risks(LOG, [Placed(RISK, 7, 8)]),
        *registry(SENSORS_TOPIC, LOG, [Placed(SENSOR, 7, 8), Placed(MARKER, 8, 9)]),
        *registry(ASSETS_TOPIC, LOG, [Placed(ASSET, 7, 8)]),
    ],
    ids=lambda rows: rows.table,
)
def test_every_column_of_the_table_is_filled(rows: TableRows) -> None:
    assert set(rows.columns) == columns_of(rows.table)
    assert {len(data) for data in rows.columns.values()} == {1}


def test_values() -> None:
    got = plain(signals(LOG, [Placed(SIGNAL, 7, 8)]))
    assert (got["level"], got["previous_level"], got["transition"], got["reading_offset"]) == (
        [4],
        [1],
        ["changed"],
        [5],
    )
    assert (got["log_offset"], got["log_partition"], got["log_generation"], got["log_time"]) == ([7], [2], ["gen"], [8])
    got = plain(alert_events(LOG, [Placed(ALERT, 7, 8)]))
    assert (got["due_at"], got["departments"], got["title"]) == ([None], [["flood"]], [{"en": "t"}])
    got = plain(registry(SENSORS_TOPIC, LOG, [Placed(SENSOR, 7, 8)])[0])
    assert got["attributes"] == [{"x": "2.5", "y": "z"}]
    assert got["lat"] == [1.0]
    assert np.isnan(got["lon"]).all()


def test_a_removed_row_keeps_its_id() -> None:
    got = plain(registry(ASSETS_TOPIC, LOG, [Placed(Row("p", 2, "i", None), 7, 8)])[0])
    assert (got["asset_id"], got["deleted"], got["type"]) == (["p"], [True], [""])


def test_times_and_numbers_are_held_to_what_the_columns_take() -> None:
    wild = Rejected(b"", "mqtt", "g", "o", "unreadable", "d", 2**62, attempts=-5)
    got = plain(rejected(LOG, [Placed(wild, 7, 8)]))
    assert (got["received_at"], got["attempts"]) == ([LATEST_MS], [0])


def test_migrations_are_where_the_package_says() -> None:
    assert [path.suffix for path in Path("sinks/migrations").iterdir()] == [".sql"] * len(load_migrations())
