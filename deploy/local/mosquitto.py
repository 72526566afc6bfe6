"""Mosquitto, the MQTT broker of the local stack."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from deploy.local import paths
from deploy.local.part import Part
from deploy.local.ports import HOST, Ports

# The broker's PUBACK is a promise to the device. Mosquitto's defaults break it twice: queues for an absent
# gateway are cut at 1,000 messages, and what is queued is written to disk every 30 minutes only.
CONFIG = """\
listener {port} {host}
allow_anonymous true
{user}
set_tcp_nodelay true

# no message that was acknowledged to a device is dropped while the gateways are away
max_queued_messages 0
max_queued_bytes 0
# more than a gateway session's receive maximum, so that acknowledging after Kafka does not throttle it
max_inflight_messages 5000

# queued messages and sessions are on disk after each change
persistence true
persistence_location {data}/
autosave_on_changes true
autosave_interval 1

log_dest stdout
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages false
"""


class Mosquitto(Part):
    """One broker on the loopback interface, its data below `folder`."""

    name = "mosquitto"
    start_timeout_s = 30.0

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder.resolve() / "mosquitto"
        self._ports = ports

    @property
    def port(self) -> int:
        return self._ports["mosquitto"]

    def prepare(self) -> None:
        self._ports.require_free("mosquitto")
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        # started as root it would change to the user `mosquitto`, who may not write here
        user = "user root" if os.geteuid() == 0 else ""
        config = CONFIG.format(port=self.port, host=HOST, data=data, user=user)
        (self._folder / "mosquitto.conf").write_text(config)

    def command(self) -> list[str]:
        return [paths.program("mosquitto", "the MQTT broker"), "-c", str(self._folder / "mosquitto.conf")]

    def address(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def offers(self) -> Mapping[str, str]:
        return {"RISKSTREAM_MQTT_HOST": HOST, "RISKSTREAM_MQTT_PORT": str(self.port)}

    def check(self) -> str | None:
        try:
            return mqtt_connect(self.port)
        except OSError as error:
            return f"no MQTT connection to {HOST}:{self.port}: {error}"


def mqtt_connect(port: int, timeout_s: float = 3.0) -> str | None:
    """Connect and disconnect as an MQTT 3.1.1 client; None, or the broker's refusal. Raises OSError."""
    client_id = f"riskstream-check-{secrets.token_hex(4)}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x0a" + len(client_id).to_bytes(2, "big") + client_id
    with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        answer = b""
        while len(answer) < 4:
            piece = connection.recv(4 - len(answer))
            if not piece:
                return "the MQTT broker closed the connection"
            answer += piece
        connection.sendall(b"\xe0\x00")
    if answer[:2] != b"\x20\x02":
        return f"not an MQTT broker: it answered {answer.hex()}"
    return None if answer[3] == 0 else f"the MQTT broker refused the connection, code {answer[3]}"
