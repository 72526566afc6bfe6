"""What the devices know: each reading they sent, and which of them were acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KIND = "gas_concentration"
FIELD = "methane_lel"

Key = tuple[str, int]
"""Sensor and time (ms UTC): a reading's identity."""

_CALM, _ALARM = 4.0, 61.0
# readings of a cycle; the last three are above every threshold, so that each cycle raises an alert and clears it
_CYCLE, _HIGH = 20, 3
_STEP = 0.0001


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading that carries its place in its sensor's sequence: in the time, which only grows, and in the value."""

    sensor: str
    at: int
    value: float

    @property
    def key(self) -> Key:
        return self.sensor, self.at


class Ledger:
    """All that was sent and acknowledged. May be used from several threads."""

    def __init__(self, sensors: Sequence[str]) -> None:
        self.sensors = list(sensors)
        self.sent: dict[Key, float] = {}
        self.acknowledged: set[Key] = set()
        self.refused: dict[Key, str] = {}
        """Readings that a device was told are rejected, with the reason."""
        self.again = 0
        """How often a device sent something a second time."""
        self.statuses: dict[str, int] = {}
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, int]] = dict.fromkeys(self.sensors, (0, 0))

    def next(self, sensor: str, at: int | None = None) -> Reading:
        """The sensor's next reading, observed now or at a time of the caller's."""
        with self._lock:
            number, last = self._last[sensor]
            when = max(last + 1, time.time_ns() // 1_000_000) if at is None else at
            self._last[sensor] = (number + 1, max(last, when))
            high = number % _CYCLE >= _CYCLE - _HIGH
            value = round((_ALARM if high else _CALM) + _STEP * (number % 10_000), 4)
            reading = Reading(sensor, when, value)
            self.sent[reading.key] = value
        return reading

    def acknowledge(self, keys: Iterable[Key]) -> None:
        with self._lock:
            self.acknowledged.update(keys)

    def refuse(self, key: Key, reason: str) -> None:
        with self._lock:
            self.refused[key] = reason

    def note(self, status: str) -> None:
        """Count an answer, or the lack of one."""
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def sent_again(self, count: int = 1) -> None:
        with self._lock:
            self.again += count

    def snapshot(self) -> set[Key]:
        """What is acknowledged at this moment."""
        with self._lock:
            return set(self.acknowledged)
