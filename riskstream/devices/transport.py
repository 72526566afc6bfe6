"""What the ways in have in common: the contract of a transport, and where the services are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from riskstream.devices.counts import TransportCounts

Item = Mapping[str, Any]
"""A JSON object without sensor_id: a reading, or a run of samples."""


class TransportError(Exception):
    """Sending cannot go on; the message says where it failed, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where devices send to. `api_key` is needed unless the HTTP gateway listens on loopback without keys."""

    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    mqtt_username: str = ""
    mqtt_password: str = ""
    http_url: str = "http://127.0.0.1:8080"
    api_key: str = ""


class Transport(Protocol):
    """One way in.

    `put` takes what one sensor has to say and blocks while too much is unanswered; `flush` sends what was gathered;
    `finish` waits for answers, at most `timeout_s`, and closes. All raise TransportError when sending cannot go on.
    """

    counts: TransportCounts

    def put(self, kind: str, sensor_id: str, items: list[Item], readings: int) -> None: ...

    def flush(self) -> None: ...

    def finish(self, timeout_s: float) -> None: ...
