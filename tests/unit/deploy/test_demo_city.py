"""The committed sample city is what its generator makes, reads without an error, and holds what demos need."""

import math
from collections import Counter

import pytest

from deploy.demo.generate import FOLDER, generate
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.registry import zone_at
from schemas.registry_csv import parse_assets, parse_sensors, write_assets, write_sensors
from schemas.wkt import parse_wkt


@pytest.fixture(scope="module")
def assets():
    data = (FOLDER / "assets.csv").read_bytes()
    parsed = parse_assets(data, departments=load_departments())
    assert parsed.errors == []
    return parsed.rows


@pytest.fixture(scope="module")
def sensors(assets):
    data = (FOLDER / "sensors.csv").read_bytes()
    parsed = parse_sensors(data, kinds=load_kinds(), departments=load_departments(), assets=assets)
    assert parsed.errors == []
    return parsed.rows


def metres(a, b):
    dy = (a.lat - b.lat) * 111_195
    return math.hypot(dy, (a.lon - b.lon) * 111_195 * math.cos(math.radians(a.lat)))


def test_the_files_are_what_the_generator_makes():
    city = generate()
    assert (FOLDER / "sensors.csv").read_text(encoding="utf-8") == write_sensors(city.sensors.values())
    assert (FOLDER / "assets.csv").read_text(encoding="utf-8") == write_assets(city.assets.values())


def test_has_at_least_2000_sensors_of_all_kinds(sensors, assets):
    assert len(sensors) >= 2000
    assert set(Counter(sensor.kind for sensor in sensors.values())) == set(load_kinds())
    assert {"gas_pipe", "water_pipe", "manhole", "underpass", "bridge", "gas_regulator"} <= {
        asset.type for asset in assets.values()
    }
    assert all(asset.risk_grade for asset in assets.values())
    assert sum(asset.risk_point for asset in assets.values()) > 100


def test_zones_have_five_levels_and_every_sensor_a_place(sensors):
    grids = {zone_at(sensor.zone, "grid") for sensor in sensors.values() if sensor.attributes.get("simulated", 1)}
    assert "" not in grids
    assert len(grids) == 144
    assert all(sensor.lat is not None and sensor.lon is not None for sensor in sensors.values())


def test_attributes_that_the_shipped_rules_need_are_there_and_in_order(sensors):
    for sensor in sensors.values():
        a = sensor.attributes
        if sensor.profile == "manhole" and sensor.kind == "water_level":
            assert a["invert_m"] < a["crown_m"] < a["ground_level_m"] - 0.5
        elif sensor.profile == "river":
            assert a["normal_m"] < a["warning_m"] < a["guarantee_m"] < a["record_m"]
        elif sensor.kind == "bridge_strain":
            assert a["design_strain_ue"] > 0
            assert "zero_ue" in a
            assert sensor.profile == "test" or {"alpha_ue_per_c", "reference_c"} <= set(a)
        elif sensor.kind == "water_leak_acoustics":
            assert a["floor_db"] > 0


def test_around_each_underpass_stands_what_storm_and_leak_needs(sensors, assets):
    for underpass in (asset for asset in assets.values() if asset.type == "underpass"):
        depth = next(sensor for sensor in sensors.values() if sensor.asset_id == underpass.asset_id)
        near = [sensor for sensor in sensors.values() if sensor.zone == underpass.zone and metres(sensor, depth) <= 150]
        found = {(sensor.kind, sensor.profile) for sensor in near}
        assert {
            ("water_level", "underpass"), ("water_level", "manhole"), ("gas_concentration", "manhole"),
            ("gas_pressure", "low-pressure"), ("water_network", "service"),
        } <= found  # fmt: skip
        community = zone_at(underpass.zone, "community")
        assert any(
            sensor.kind == "rainfall" and zone_at(sensor.zone, "community") == community for sensor in sensors.values()
        )


def test_assets_lie_where_their_sensors_are(sensors, assets):
    for sensor in sensors.values():
        if sensor.asset_id:
            geometry = parse_wkt(assets[sensor.asset_id].geometry_wkt)
            lons, lats = zip(*geometry.rings[0], strict=True)
            margin = 3e-4  # about 30 m
            assert min(lats) - margin <= sensor.lat <= max(lats) + margin
            assert min(lons) - margin <= sensor.lon <= max(lons) + margin
