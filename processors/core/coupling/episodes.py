"""Episodes: the life of one alert or one outside event, as its signals tell it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from processors.core.coupling.intervals import FOREVER, Intervals, union
from processors.core.coupling.places import centre
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Snapshot


@dataclass(slots=True)
class Episode:
    """From the raise to the clearing. `steps` are (event time, level) in the order of the log.

    `run` is empty when live: signals of an exercise only meet those of the same run. Events have `polygon` or `zone`.
    """

    id: str
    rule_id: str
    type: str
    run: str
    zone: str
    sensor_id: str
    asset_id: str
    lat: float | None
    lon: float | None
    onset_at: int
    value: float
    sequence: int = 0
    polygon: str = ""
    cleared_at: int | None = None
    steps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def domain(self) -> str:
        """The first part of the rule's id: gas, flood, …"""
        return self.rule_id.partition(".")[0]

    @property
    def level(self) -> Level:
        """The newest level; of a cleared one, the last before."""
        return Level(self.steps[-1][1]) if self.steps else Level.NONE

    @property
    def starts_at(self) -> int:
        return self.steps[0][0]

    def take(self, signal: Signal) -> bool:
        """Follow a signal of this alert or event; False if it is already in."""
        if signal.sequence <= self.sequence:
            return False
        self.sequence = signal.sequence
        self.value = signal.value
        if self.type == "event":
            self._replace(signal)
        elif signal.transition == "cleared":
            self.cleared_at = max(signal.at, self.steps[-1][0] if self.steps else signal.at)
            if not self.steps:  # its beginning was never seen
                self.steps.append((signal.onset_at, int(signal.previous_level)))
        else:
            self.cleared_at = None
            self.steps.append((max(signal.at, self.steps[-1][0]) if self.steps else signal.at, int(signal.level)))
            if signal.type == "coupling":
                self.zone = signal.zone
        return True

    def _replace(self, signal: Signal) -> None:
        told = json.loads(signal.evidence)
        self.zone, self.polygon = signal.zone, str(told.get("polygon", ""))
        self.onset_at = signal.at
        self.steps = [(signal.at, int(signal.level))]
        self.cleared_at = int(told["valid_until"])

    def at_level(self, minimum: int) -> Intervals:
        """When it was open at `minimum` or above."""
        found: Intervals = []
        for number, (at, level) in enumerate(self.steps):
            later = self.steps[number + 1][0] if number + 1 < len(self.steps) else self.ends_at
            if level >= minimum:
                found.append((at, later))
        return union(found)

    @property
    def ends_at(self) -> int:
        return FOREVER if self.cleared_at is None else self.cleared_at

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Episode:
        return cls(**{**data, "steps": [(int(at), int(level)) for at, level in data["steps"]]})


def run_of(signal: Signal) -> str:
    return "" if signal.mode == "live" else f"{signal.mode}/{signal.run_id}"


def new_episode(signal: Signal, registry: Snapshot) -> Episode:
    """An episode without steps yet, placed by the registry: at its sensor, or in the middle of its asset."""
    sensor = registry.sensors.get(signal.sensor_id)
    asset_id = signal.asset_id or (signal.assets[0] if signal.assets else "")
    asset = registry.assets.get(asset_id)
    place: tuple[float | None, float | None] | None = None
    if sensor is not None and sensor.lat is not None and sensor.lon is not None:
        place = sensor.lat, sensor.lon
    elif asset is not None and asset.geometry_wkt:
        place = centre(asset.geometry_wkt)
    lat, lon = place or (None, None)
    return Episode(
        signal.alert_id, signal.rule_id, signal.type, run_of(signal), signal.zone, signal.sensor_id, asset_id,
        lat, lon, signal.onset_at, signal.value,
    )  # fmt: skip
