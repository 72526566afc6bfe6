"""Units that follow from an expression, and those that do not."""

from __future__ import annotations

import pytest

from processors.core.expression.parse import parse
from processors.core.expression.units import unit_of
from schemas.kinds import load_kinds

KINDS = load_kinds()


@pytest.mark.parametrize(
    ("kind", "text", "unit"),
    [
        ("water_level", "level_m", "m"),
        ("water_level", "change(level_m, 10m)", "m"),
        ("water_level", "rate(level_m, 10m)", "m/s"),
        ("water_level", "count(level_m, 10m)", ""),
        ("water_level", "unchanged(level_m)", "s"),
        ("water_level", "forecast(100 * level_m, 10m, until=25)", "s"),
        ("water_level", "100 * level_m", ""),
        ("water_level", "level_m - attr.floor_m", "m"),
        ("water_level", "max(3 periods, 2m)", ""),
        ("water_leak_acoustics", 'min(noise_db, hours("02:00-04:00")) - attr.floor_db', "dB"),
        ("water_leak_acoustics", "noise_db + dominant_hz", ""),
        ("water_network", "least(max(flow_m3h, 1h), 3) + 1", "m3/h"),
        (
            "water_network",
            "-if(has(attr.k), abs(pressure_kpa), or_else(attr.p, usual_level(pressure_kpa, 24h)))",
            "kPa",
        ),
        ("water_network", "pressure_kpa / mean(pressure_kpa, 1h)", ""),
    ],
)
def test_it_follows_or_it_does_not(kind: str, text: str, unit: str) -> None:
    assert unit_of(parse(text), KINDS[kind]) == unit
