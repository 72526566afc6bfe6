"""Rows and markers of the registry's topics as rows of `registry_sensors`, `registry_assets`, `registry_markers`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.registry import Asset, Sensor
from schemas.registry_records import SENSORS_TOPIC, Marker, Row
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, constant, numbers, place_columns, times

SENSORS_TABLE = "registry_sensors"
ASSETS_TABLE = "registry_assets"
MARKERS_TABLE = "registry_markers"
_GONE_SENSOR = Sensor("", "", "", "", "")
_GONE_ASSET = Asset("", "", "", "")


def registry(topic: str, log: Log, records: Sequence[Placed[Row | Marker]]) -> list[TableRows]:
    """The rows of `topic` (registry.sensors or registry.assets) and its markers, the rows first."""
    rows = [(placed, placed.value) for placed in records if isinstance(placed.value, Row)]
    markers = [(placed, placed.value) for placed in records if isinstance(placed.value, Marker)]
    tables = []
    if rows:
        own = _sensors if topic == SENSORS_TOPIC else _assets
        values = [row for _, row in rows]
        columns: Columns = {
            "version": numbers(row.version for row in values),
            "import_id": [row.import_id for row in values],
            "deleted": np.array([row.entry is None for row in values], np.bool_),
        }
        table = SENSORS_TABLE if topic == SENSORS_TOPIC else ASSETS_TABLE
        tables.append(TableRows(table, columns | own(values) | _place(log, [p for p, _ in rows]), None))
    if markers:
        columns = {
            "topic": constant(topic, len(markers)),
            "version": numbers(marker.version for _, marker in markers),
            "import_id": [marker.import_id for _, marker in markers],
            "rows": numbers(marker.rows for _, marker in markers),
            "author": [marker.author for _, marker in markers],
            "imported_at": times(marker.imported_at for _, marker in markers),
        }
        tables.append(TableRows(MARKERS_TABLE, columns | _place(log, [p for p, _ in markers]), None))
    return tables


def _sensors(rows: Sequence[Row]) -> Columns:
    entries = [row.entry if isinstance(row.entry, Sensor) else _GONE_SENSOR for row in rows]
    columns: Columns = {"sensor_id": [row.id for row in rows]}
    columns |= {
        name: code(getattr(entry, name) for entry in entries) for name in ("kind", "zone", "department", "profile")
    }
    columns |= {
        "name": [entry.name for entry in entries],
        "asset_id": [entry.asset_id for entry in entries],
        "lat": _degrees(entry.lat for entry in entries),
        "lon": _degrees(entry.lon for entry in entries),
        "attributes": [
            {key: _number_text(value) if isinstance(value, float) else value for key, value in entry.attributes.items()}
            for entry in entries
        ],
    }  # fmt: skip
    return columns


def _assets(rows: Sequence[Row]) -> Columns:
    entries = [row.entry if isinstance(row.entry, Asset) else _GONE_ASSET for row in rows]
    columns: Columns = {"asset_id": [row.id for row in rows]}
    columns |= {
        name: code(getattr(entry, name) for entry in entries)
        for name in ("type", "zone", "owner", "lead_department", "risk_grade")
    }
    columns |= {
        "name": [entry.name for entry in entries],
        "geometry_wkt": [entry.geometry_wkt for entry in entries],
        "risk_point": np.array([entry.risk_point for entry in entries], np.bool_),
    }
    return columns


def _number_text(value: float) -> str:
    """The shortest text that reads back as the same number, without `.0`."""
    return repr(value).removesuffix(".0")


def _degrees(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _place(log: Log, records: Sequence[Placed[Row | Marker]]) -> Columns:
    place = place_columns(log, records)
    return {name: place[name] for name in ("log_generation", "log_offset")}
