"""Waits until the gateways of a local stack know a version of the registry: before that they reject its sensors."""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path

from deploy.local.ports import HOST, Ports

GATEWAYS = ("mqtt-gateway", "http-gateway")
_VERSION = re.compile(rb"^riskstream_registry_version (\S+)$", re.MULTILINE)


def wait_for_registry(folder: Path, version: int, timeout_s: float = 20) -> bool:
    """Whether both gateways of the stack in the folder have the version (or a newer one) within the time."""
    ports = Ports(folder)
    deadline = time.monotonic() + timeout_s
    while any(registry_version(ports[f"{name}-metrics"]) < version for name in GATEWAYS):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def registry_version(port: int) -> float:
    """The version that the service with this metrics port has; 0 if it does not say."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        found = _VERSION.search(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return 0.0
    finally:
        connection.close()
    return float(found[1]) if found else 0.0
