"""Ports of the local stack: chosen free at the first start, remembered for every later one."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"

# where people expect each listener to be; taken when free at the first start
WELL_KNOWN = {
    "kafka": 9092,
    "mosquitto": 1883,
    "clickhouse": 9000,
    "clickhouse-http": 8123,
    "http-gateway": 8080,
}

# below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes a remembered port
CHOICE = range(20_000, 32_000)


class PortError(Exception):
    """A port cannot be used; the message names the part, the port and what to do."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(exclude: frozenset[int] = frozenset()) -> int:
    """A free loopback port outside the ephemeral range, none of `exclude`."""
    for port in random.sample(CHOICE, len(CHOICE)):
        if port not in exclude and is_free(port):
            return port
    raise PortError(f"no free port between {CHOICE.start} and {CHOICE.stop - 1} on {HOST}")


class Ports:
    """The ports of one data folder, kept in `ports.json` there.

    `fixed` are ports given by the user: they win and are remembered. With `well_known` a listener
    takes its usual port at the first start when that is free.
    """

    def __init__(self, folder: Path, fixed: Mapping[str, int] | None = None, well_known: bool = True) -> None:
        self._path = folder / "ports.json"
        self._ports: dict[str, int] = {}
        if self._path.is_file():
            try:
                self._ports = {str(name): int(port) for name, port in json.loads(self._path.read_text()).items()}
            except (ValueError, AttributeError) as error:
                raise PortError(f"{self._path} is not a JSON object of ports: {error}; delete it") from error
        self._ports.update(fixed or {})
        self._well_known = well_known

    def __getitem__(self, name: str) -> int:
        """The port of a listener, chosen now if it has none yet."""
        if name not in self._ports:
            taken = frozenset(self._ports.values())
            usual = WELL_KNOWN.get(name) if self._well_known else None
            usable = usual is not None and usual not in taken and is_free(usual)
            self._ports[name] = usual if usual is not None and usable else free_port(taken)
            self._write()
        return self._ports[name]

    def require_free(self, name: str) -> int:
        """The listener's port; raises PortError when another program has taken it."""
        port = self[name]
        if not is_free(port):
            raise PortError(
                f"{name}: port {port} on {HOST} is in use by another program; "
                f"end that one, or start with --port {name}=<free port>"
            )
        return port

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._ports, indent=2, sort_keys=True) + "\n")

    def save(self) -> None:
        """Remember the ports given by the user, too."""
        self._write()
