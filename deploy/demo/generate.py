"""Makes the sample city. `python -m deploy.demo.generate` writes sensors.csv and assets.csv beside this file.

The river runs west to east through the middle, two districts on each bank. A district is 3 streets of 3 communities
of 4 grids; a grid is a square of 250 m with one lane along its middle, under which lie a low-pressure gas pipe
(4 m north), a water pipe (4 m south) and two manholes 120 m apart. So what stands on one lane is within 150 m of
each other, as pipes, chambers and underpasses of real streets are. All draws come from one fixed seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.names import BRIDGES, CITY, DISTRICTS, UNDERPASSES
from schemas.registry import Asset, Sensor
from schemas.registry_csv import write_assets, write_sensors

FOLDER = Path(__file__).parent
SEED = 20260101

# the middle of the river, and metres to degrees there
_LATITUDE, _LONGITUDE = 30.2, 112.4
_M_PER_DEGREE_LAT = 111_195.0
_M_PER_DEGREE_LON = _M_PER_DEGREE_LAT * math.cos(math.radians(_LATITUDE))

_GRID_M = 250.0
_BANK_M = 200.0  # from the middle of the river to the first grid
_DISTRICT_M = 1500.0
_GROUND_M = 24.0  # elevation of the streets above the river's datum, at the bank


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid: its zone, its code in ids (such as GY-123 and 4), and its middle in metres."""

    zone: str
    code: str
    number: int
    place: str
    district: int
    street: int
    community: int
    x: float
    y: float

    @property
    def id(self) -> str:
        return f"{self.code}{self.number}"


@dataclass(slots=True)
class City:
    """What is generated, by id."""

    sensors: dict[str, Sensor] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)


def generate(seed: int = SEED) -> City:
    """The sample city; the same seed gives the same city."""
    draw = random.Random(seed)  # noqa: S311 (a reproducible city, not a secret)
    city = City()
    underpasses = {place: (number, name) for number, (name, place) in enumerate(UNDERPASSES, 1)}
    for grid in _grids():
        _lane(city, grid, draw)
        _chambers(city, grid, draw)
        if grid.number == 1:
            _community(city, grid, draw)
        if grid.number % 2 == 1:
            _water_level(city, f"WL-RD-{grid.id}", grid, "road", (-20.0, 0.0), f"RD-{grid.code}", {})
        found = underpasses.get((grid.district, grid.street, grid.community, grid.number))
        if found is not None:
            _underpass(city, grid, *found)
        if grid.number == 1 and grid.community == 1:
            _street(city, grid)
    for number, name in enumerate(BRIDGES, 1):
        _bridge(city, number, name, draw)
    _for_recordings(city)
    return city


def _grids() -> Iterator[Grid]:
    for d, ((slug, code, _, _), streets) in enumerate(DISTRICTS.items(), 1):
        west = -_DISTRICT_M if d in (1, 3) else 0.0
        away = 1.0 if d in (1, 2) else -1.0  # north or south of the river
        for s, ((street_slug, _, _), communities) in enumerate(streets.items(), 1):
            for c, community in enumerate(communities, 1):
                for g in range(1, 5):
                    yield Grid(
                        zone=f"{CITY[0]}/{slug}/{street_slug}/{community}/g{g}",
                        code=f"{code}-{s}{c}",
                        number=g,
                        place=f"{community.replace('-', ' ').title()} g{g}",
                        district=d,
                        street=s,
                        community=c,
                        x=west + (c - 1) * 2 * _GRID_M + (0.5 + (g - 1) % 2) * _GRID_M,
                        y=away * (_BANK_M + (s - 1) * 2 * _GRID_M + (0.5 + (g - 1) // 2) * _GRID_M),
                    )


def _lane(city: City, grid: Grid, draw: random.Random) -> None:
    """The two pipes under the lane with their sensors."""
    half = _GRID_M / 2
    old_town = grid.district == 1
    gas = _asset(
        city, f"GAS-LP-{grid.id}", "gas_pipe", f"Low-pressure gas main, {grid.place}", grid.zone, "Lanshui Gas",
        "gas", _line((grid.x - half, grid.y + 4), (grid.x + half, grid.y + 4)), "II" if old_town else "III", False,
    )  # fmt: skip
    for n, dx in enumerate((-80.0, 0.0, 80.0), 1):
        _sensor(
            city, f"GP-{grid.id}-{n}", "gas_pressure", f"Low-pressure gas {n}, {grid.place}", grid.zone, "gas",
            (grid.x + dx + draw.uniform(-8, 8), grid.y + 4), gas, "low-pressure",
            {"period_s": 10, "nominal_kpa": 2.0},
        )  # fmt: skip
    water = _asset(
        city, f"WATER-{grid.id}", "water_pipe", f"Water main, {grid.place}", grid.zone, "Lanshui Water",
        "water", _line((grid.x - half, grid.y - 4), (grid.x + half, grid.y - 4)), "II" if old_town else "IV", False,
    )  # fmt: skip
    for n, dx in enumerate((-90.0, 0.0, 90.0), 1):
        _sensor(
            city, f"WA-{grid.id}-{n}", "water_leak_acoustics", f"Leak logger {n}, {grid.place}", grid.zone, "water",
            (grid.x + dx + draw.uniform(-8, 8), grid.y - 4), water, "logger",
            {"period_s": 3600, "floor_db": round(draw.uniform(16, 26), 1)},
        )  # fmt: skip
    for n, dx in enumerate((-40.0, 40.0), 1):
        _sensor(
            city, f"WN-{grid.id}-{n}", "water_network", f"Water pressure {n}, {grid.place}", grid.zone, "water",
            (grid.x + dx + draw.uniform(-8, 8), grid.y - 4), water, "service", {"period_s": 60, "storeys": 6},
        )  # fmt: skip


def _chambers(city: City, grid: Grid, draw: random.Random) -> None:
    """Two manholes of the drain, each with a level and a methane sensor."""
    for n, dx in enumerate((-60.0, 60.0), 1):
        ground = round(_ground(grid) + draw.uniform(-0.3, 0.3), 2)
        invert = round(ground - draw.uniform(2.8, 3.6), 2)
        at = (grid.x + dx, grid.y)
        manhole = _asset(
            city, f"MH-{grid.id}-{n}", "manhole", f"Manhole {n}, {grid.place}", grid.zone, "Lanshui Drainage",
            "flood", _point(at), "II" if grid.district == 1 else "III", n == 1,
        )  # fmt: skip
        levels = {
            "ground_level_m": ground,
            "invert_m": invert,
            "crown_m": round(invert + draw.choice((0.6, 0.8)), 2),
        }
        _water_level(city, f"WL-{manhole}", grid, "manhole", (dx, 0.0), manhole, levels)
        _sensor(
            city, f"GC-{manhole}", "gas_concentration", f"Methane, manhole {n}, {grid.place}", grid.zone, "gas", at,
            manhole, "manhole", {"period_s": 600},
        )  # fmt: skip


def _community(city: City, grid: Grid, draw: random.Random) -> None:
    """What a community has once: regulator, inlet of the water district, rain gauge, road."""
    place = grid.place.removesuffix(" g1")
    at = (grid.x + _GRID_M / 2, grid.y + math.copysign(_GRID_M / 2, grid.y))
    regulator = _asset(
        city, f"REG-{grid.code}", "gas_regulator", f"District regulator, {place}", grid.zone, "Lanshui Gas", "gas",
        _point(at), "II", True,
    )  # fmt: skip
    _sensor(
        city, f"GP-{grid.code}-MP", "gas_pressure", f"Regulator inlet, {place}", grid.zone, "gas", at, regulator,
        "medium-pressure", {"period_s": 5, "nominal_kpa": 200, "flow_max_m3h": round(draw.uniform(300, 900))},
    )  # fmt: skip
    _sensor(
        city, f"WN-{grid.code}-IN", "water_network", f"Water inlet, {place}", grid.zone, "water",
        (grid.x - _GRID_M / 2, grid.y - 4), f"WATER-{grid.id}", "inlet",
        {"period_s": 60, "flow_mean_m3h": round(draw.uniform(40, 120))},
    )  # fmt: skip
    _sensor(
        city, f"RF-{grid.code}", "rainfall", f"Rain gauge, {place}", grid.zone, "flood", at, "", "gauge",
        {"period_s": 300},
    )  # fmt: skip
    west, east = grid.x - _GRID_M / 2, grid.x + 1.5 * _GRID_M
    other_lane = grid.y + math.copysign(_GRID_M, grid.y)
    _asset(
        city, f"RD-{grid.code}", "road", f"Lanes of {place}", grid.zone, "Lanshui Streets", "streets",
        _line((west, grid.y), (east, grid.y), (east, other_lane), (west, other_lane)), "IV", False,
    )  # fmt: skip


def _street(city: City, grid: Grid) -> None:
    """The medium-pressure main along a street, past the regulators of its communities."""
    y = grid.y + math.copysign(_GRID_M / 2, grid.y)
    west = grid.x - _GRID_M / 2
    street = grid.zone.split("/")[2].replace("-", " ").title()
    _asset(
        city, f"GAS-MP-{grid.code[:-1]}", "gas_pipe", f"Medium-pressure gas main, {street}",
        "/".join(grid.zone.split("/")[:3]), "Lanshui Gas", "gas", _line((west, y), (west + _DISTRICT_M, y)), "II", True,
    )  # fmt: skip


def _underpass(city: City, grid: Grid, number: int, name: str) -> None:
    x, y = grid.x + 15, grid.y
    corners = [(x - 20, y - 7), (x + 20, y - 7), (x + 20, y + 7), (x - 20, y + 7), (x - 20, y - 7)]
    ring = ", ".join(_position(corner) for corner in corners)
    underpass = _asset(
        city, f"UP-{number}", "underpass", name, grid.zone, "Lanshui Streets", "flood", f"POLYGON (({ring}))", "I",
        True,
    )  # fmt: skip
    for n, dx in enumerate((10.0, 20.0), 1):
        _water_level(city, f"WL-{underpass}-{n}", grid, "underpass", (dx, 0.0), underpass, {}, name)


def _bridge(city: City, number: int, name: str, draw: random.Random) -> None:
    """A bridge over the river, with strain gauges along it and a river gauge at its pier."""
    x = -_DISTRICT_M + _GRID_M / 2 + (number - 1) * 550.0
    grid = min((g for g in _grids() if g.y > 0), key=lambda g: math.hypot(g.x - x, g.y))
    steel = number % 2 == 1
    bridge = _asset(
        city, f"BR-{number}", "bridge", name, grid.zone, "Lanshui Bridges", "bridges", _line((x, -185), (x, 185)),
        "I" if number <= 2 else "II", True,
    )  # fmt: skip
    for n in range(1, 17):
        # two bridges have fast gauges: four at 100 Hz, the others at 10 Hz; the rest report once a second
        period = 1.0 if number > 2 else (0.01 if n % 4 == 1 else 0.1)
        at = (x + (3.0 if n % 2 else -3.0), -165.0 + 22.0 * (n - 1))
        _sensor(
            city, f"BS-{number}-{n:02}", "bridge_strain", f"Strain {n}, {name}", grid.zone, "bridges", at, bridge,
            "steel" if steel else "concrete",
            {
                "period_s": period,
                "zero_ue": round(draw.uniform(-150, 150), 1),
                "alpha_ue_per_c": 12 if steel else 10,
                "reference_c": 20,
                "design_strain_ue": 800 if steel else 400,
            },
        )  # fmt: skip
    _sensor(
        city, f"WL-{bridge}", "water_level", f"River gauge, {name}", grid.zone, "flood", (x, 20.0), bridge, "river",
        {"period_s": 300, "normal_m": 16.0, "warning_m": 18.0, "guarantee_m": 19.5, "record_m": 21.2},
    )  # fmt: skip


def _for_recordings(city: City) -> None:
    """Sensors that only `riskstream send` plays recordings for: the simulator leaves `simulated=0` alone."""
    zone = f"{CITY[0]}/xinhe/science-park"
    at = (700.0, -900.0)
    bridge = _asset(
        city, "BR-TEST", "bridge", "Test bridge of the university", zone, "Lanshui University", "bridges",
        _line((at[0], at[1] - 15), (at[0], at[1] + 15)), "IV", False,
    )  # fmt: skip
    strain = {"period_s": 0.01, "design_strain_ue": 400, "simulated": 0}
    for sensor_id, name, zero in (
        ("REC-STRAIN-REFERENCE", "Recording: test bridge at rest", -143.0),
        ("REC-STRAIN-LOWERING", "Recording: test bridge, support lowered", 0.5),
    ):
        _sensor(
            city, sensor_id, "bridge_strain", name, zone, "bridges", at, bridge, "test", {**strain, "zero_ue": zero}
        )  # fmt: skip
    _sensor(
        city, "REC-METHANE", "gas_concentration", "Recording: controlled methane release", zone, "gas", at, "",
        "open-path", {"period_s": 3, "simulated": 0},
    )  # fmt: skip
    _sensor(
        city, "REC-SURFACE-WATER", "water_level", "Recording: daily surface water level", zone, "flood", at, "",
        "surface-water", {"period_s": 86400, "simulated": 0},
    )  # fmt: skip


def _water_level(
    city: City,
    sensor_id: str,
    grid: Grid,
    profile: str,
    offset: tuple[float, float],
    asset_id: str,
    levels: dict[str, float],
    place: str = "",
) -> None:
    _sensor(
        city, sensor_id, "water_level", f"Water level, {profile}, {place or grid.place}", grid.zone, "flood",
        (grid.x + offset[0], grid.y + offset[1]), asset_id, profile, {"period_s": 60, **levels},
    )  # fmt: skip


def _sensor(
    city: City,
    sensor_id: str,
    kind: str,
    name: str,
    zone: str,
    department: str,
    at: tuple[float, float],
    asset_id: str,
    profile: str,
    attributes: dict[str, float],
) -> None:
    lat, lon = _degrees(at)
    values: dict[str, float | str] = {key: float(value) for key, value in attributes.items()}
    city.sensors[sensor_id] = Sensor(sensor_id, kind, name, zone, department, lat, lon, asset_id, profile, values)


def _asset(
    city: City,
    asset_id: str,
    type_: str,
    name: str,
    zone: str,
    owner: str,
    department: str,
    wkt: str,
    risk_grade: str,
    risk_point: bool,
) -> str:
    city.assets[asset_id] = Asset(asset_id, type_, name, zone, owner, department, wkt, risk_grade, risk_point)
    return asset_id


def _ground(grid: Grid) -> float:
    return _GROUND_M + (abs(grid.y) - _BANK_M) / 400.0


def _degrees(at: tuple[float, float]) -> tuple[float, float]:
    return round(_LATITUDE + at[1] / _M_PER_DEGREE_LAT, 6), round(_LONGITUDE + at[0] / _M_PER_DEGREE_LON, 6)


def _position(at: tuple[float, float]) -> str:
    lat, lon = _degrees(at)
    return f"{lon:.6f} {lat:.6f}"


def _point(at: tuple[float, float]) -> str:
    return f"POINT ({_position(at)})"


def _line(*positions: tuple[float, float]) -> str:
    return f"LINESTRING ({', '.join(_position(at) for at in positions)})"


def main() -> None:
    """Write both files beside this one."""
    city = generate()
    (FOLDER / "sensors.csv").write_text(write_sensors(city.sensors.values()), encoding="utf-8")
    (FOLDER / "assets.csv").write_text(write_assets(city.assets.values()), encoding="utf-8")


if __name__ == "__main__":
    main()
