"""The sensors of one kind as columns, for models that compute whole columns at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstream.devices.noise import Floats, Ints, Keys, key_of
from schemas.kinds import Kind
from schemas.registry import Asset, Sensor
from schemas.wkt import WktError, parse_wkt

M_PER_DEGREE = 111_195.0


@dataclass(slots=True)
class Fleet:
    """All simulated sensors of one kind, in the order of their ids.

    `who` and `asset` are the keys of the sensor's and its asset's id; `lat`, `lon` in degrees (NaN: nowhere);
    `period_ms` is the usual time between readings.
    """

    kind: Kind
    sensors: Sequence[Sensor]
    who: Keys
    asset: Keys
    lat: Floats
    lon: Floats
    period_ms: Ints
    profile: NDArray[np.str_]
    _columns: dict[tuple[str, float], Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sensors)

    def attribute(self, name: str, default: float) -> Floats:
        """A registry attribute as a column; `default` where a sensor has none or a text."""
        column = self._columns.get((name, default))
        if column is None:
            values = (sensor.attributes.get(name, default) for sensor in self.sensors)
            column = np.array([value if isinstance(value, float) else default for value in values], np.float64)
            self._columns[name, default] = column
        return column

    def distance_m(self, lat: float, lon: float) -> Floats:
        """Distance to a place; infinite for sensors without coordinates."""
        north = (self.lat - lat) * M_PER_DEGREE
        east = (self.lon - lon) * M_PER_DEGREE * math.cos(math.radians(lat))
        return np.nan_to_num(np.hypot(north, east), nan=np.inf)


def fleets_of(sensors: Iterable[Sensor], kinds: Mapping[str, Kind]) -> dict[str, Fleet]:
    """The fleets by kind. Sensors with the attribute `simulated=0` stay silent, as do unknown kinds."""
    by_kind: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        if sensor.kind in kinds and sensor.attributes.get("simulated", 1.0) != 0:
            by_kind.setdefault(sensor.kind, []).append(sensor)
    return {name: _fleet(kinds[name], by_kind[name]) for name in sorted(by_kind)}


def place_of(asset: Asset) -> tuple[float, float] | None:
    """Latitude and longitude of an asset's middle (the mean of its positions); None without a geometry."""
    try:
        positions = parse_wkt(asset.geometry_wkt).rings[0]
    except WktError:
        return None
    if len(positions) > 1 and positions[0] == positions[-1]:
        positions = positions[:-1]
    return (
        sum(lat for _, lat in positions) / len(positions),
        sum(lon for lon, _ in positions) / len(positions),
    )


def _fleet(kind: Kind, sensors: list[Sensor]) -> Fleet:
    sensors.sort(key=lambda sensor: sensor.sensor_id)
    fleet = Fleet(
        kind=kind,
        sensors=sensors,
        who=np.array([key_of(sensor.sensor_id) for sensor in sensors], np.uint64),
        asset=np.array([key_of(sensor.asset_id) for sensor in sensors], np.uint64),
        lat=np.array([math.nan if s.lat is None else s.lat for s in sensors]),
        lon=np.array([math.nan if s.lon is None else s.lon for s in sensors]),
        period_ms=np.empty(0, np.int64),
        profile=np.array([sensor.profile for sensor in sensors]),
    )
    periods = fleet.attribute("period_s", kind.period_s)
    fleet.period_ms = np.maximum(1, np.round(periods * 1000)).astype(np.int64)
    return fleet
