"""Kinds, sensors and shorthands that the ingest tests share."""

from __future__ import annotations

from typing import Any

from ingest.forms import Form, parse
from ingest.known import KnownSensors, known_sensors
from ingest.layout import Layout
from ingest.parsed import Parsed
from ingest.validate import Result, validate
from schemas.kinds import load_kinds
from schemas.registry import Sensor, Snapshot

KINDS = load_kinds()
LAYOUTS = {name: Layout(kind) for name, kind in KINDS.items()}
NOW = 1_780_000_000_000
"""2026-05-28T20:26:40Z, the time of receipt in these tests."""

_IDS = {
    "GP-1": "gas_pressure",
    "GP-2": "gas_pressure",
    "WN-1": "water_network",
    "BS-1": "bridge_strain",
    "水-1": "gas_pressure",
}
SNAPSHOT = Snapshot(1, {name: Sensor(name, kind, name, "c/d", "gas") for name, kind in _IDS.items()}, {})
KNOWN: dict[str, KnownSensors] = known_sensors(SNAPSHOT, dict.fromkeys(KINDS, 4))


def read(
    payload: bytes | str, kind: str = "gas_pressure", form: Form = Form.JSON, topic_sensor: str = ""
) -> tuple[Parsed, Result]:
    raw = payload.encode() if isinstance(payload, str) else payload
    parsed = parse(LAYOUTS[kind], raw, form, NOW, topic_sensor)
    return parsed, validate(LAYOUTS[kind], parsed, KNOWN[kind], NOW)


def rows(result: Result) -> list[tuple[str, int, dict[str, float]]]:
    """(sensor, time, values that were measured) of each accepted reading."""
    accepted = result.accepted
    return [
        (
            accepted.known.ids[accepted.rows[i]],
            int(accepted.observed_at[i]),
            {k: float(v[i]) for k, v in accepted.values.items() if v[i] == v[i]},
        )
        for i in range(len(accepted))
    ]


def reasons(result: Result) -> list[tuple[int, str]]:
    return [(fault.item, fault.reason.value) for fault in result.faults]


def details(result: Result) -> str:
    return "; ".join(fault.detail for fault in result.faults)


def reading(**changes: Any) -> dict[str, Any]:
    """A good reading of GP-1, changed; a value of `...` takes the key away."""
    item = {"sensor_id": "GP-1", "observed_at": NOW - 1000, "pressure_kpa": 2.5, **changes}
    return {key: value for key, value in item.items() if value is not ...}
