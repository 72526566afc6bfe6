"""The one shared hash that gives a sensor its partition."""

from __future__ import annotations

from zlib import crc32


def partition_of(sensor_id: str, partitions: int) -> int:
    """The partition of a sensor's readings: CRC-32 of the UTF-8 id, modulo the partition count of the topic."""
    return crc32(sensor_id.encode()) % partitions
