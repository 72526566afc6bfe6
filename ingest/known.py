"""The registry as the gateway uses it: of each kind its sensors, numbered, with their partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.partition import partition_of
from schemas.registry import Snapshot


@dataclass(frozen=True, slots=True)
class KnownSensors:
    """The sensors of one kind at one registry version: id to row, and by row the id and the partition."""

    rows: Mapping[str, int]
    ids: list[str]
    partitions: NDArray[np.int32]
    partition_count: int
    registry: Snapshot

    def kind_elsewhere(self, sensor_id: str) -> str | None:
        """The kind under which the registry has a sensor that is not in `rows`; None if it does not have it."""
        sensor = self.registry.sensors.get(sensor_id)
        return None if sensor is None else sensor.kind


def known_sensors(snapshot: Snapshot, partitions: Mapping[str, int]) -> dict[str, KnownSensors]:
    """For each kind of `partitions` (kind to partition count of its topic) the sensors registered under it."""
    ids: dict[str, list[str]] = {kind: [] for kind in partitions}
    for sensor in snapshot.sensors.values():
        if sensor.kind in ids:
            ids[sensor.kind].append(sensor.sensor_id)
    return {
        kind: KnownSensors(
            rows={sensor_id: row for row, sensor_id in enumerate(mine)},
            ids=mine,
            partitions=np.array([partition_of(sensor_id, partitions[kind]) for sensor_id in mine], np.int32),
            partition_count=partitions[kind],
            registry=snapshot,
        )
        for kind, mine in ids.items()
    }
