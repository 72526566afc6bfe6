"""The registry's model: sensors, and the assets that they watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ZONE_LEVELS = ("city", "district", "street", "community", "grid")
_NOTHING: Mapping[str, float | str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sensor:
    """A registered sensor.

    `zone` is a path of up to five levels (`ZONE_LEVELS`) parted by `/`; `lat` and `lon` are WGS 84 degrees;
    `attributes` are the free `key=value` pairs, numbers where the text is one. `period_s` among them overrides the
    period of the kind.
    """

    sensor_id: str
    kind: str
    name: str
    zone: str
    department: str
    lat: float | None = None
    lon: float | None = None
    asset_id: str = ""
    profile: str = ""
    attributes: Mapping[str, float | str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Asset:
    """A pipe, bridge, underpass, manhole, …; `geometry_wkt` in WGS 84, longitude first."""

    asset_id: str
    type: str
    name: str
    zone: str
    owner: str = ""
    lead_department: str = ""
    geometry_wkt: str = ""
    risk_grade: str = ""
    risk_point: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry at one version; version 0 is the empty registry before the first import."""

    version: int
    sensors: Mapping[str, Sensor]
    assets: Mapping[str, Asset]


EMPTY = Snapshot(0, MappingProxyType({}), MappingProxyType({}))


def zone_at(zone: str, level: str) -> str:
    """The part of a zone path down to `level` (one of `ZONE_LEVELS`); empty if the path is shorter."""
    parts = zone.split("/")
    depth = ZONE_LEVELS.index(level) + 1
    return "/".join(parts[:depth]) if len(parts) >= depth else ""
