"""The Riskstream services that the local stack runs beside its servers."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping

from deploy.local.part import Part
from deploy.local.ports import HOST, Ports

# name of the part -> arguments of `riskstream`, in the order in which they are shown
SERVICES: dict[str, list[str]] = {
    "mqtt-gateway": ["mqtt-gateway"],
    "http-gateway": ["http-gateway"],
    "processor": ["processor", "--kinds", "all"],
    "coupling": ["coupling"],
    "lifecycle": ["lifecycle"],
    "sink": ["sink"],
}


def riskstream(*arguments: str) -> list[str]:
    """The command line of a `riskstream` subcommand, with the interpreter that runs now."""
    return [sys.executable, "-m", "riskstream", *arguments]


class Service(Part):
    """A program that serves `/healthz` and `/readyz` on its metrics port, and ends on SIGTERM."""

    def __init__(self, name: str, argv: list[str], ports: Ports) -> None:
        self.name = name
        self._argv = argv
        self._ports = ports

    @property
    def metrics_port(self) -> int:
        return self._ports[f"{self.name}-metrics"]

    def prepare(self) -> None:
        """Only look at the port: services are configured by their environment alone."""
        self._ports.require_free(f"{self.name}-metrics")

    def command(self) -> list[str]:
        return self._argv

    def environment(self) -> Mapping[str, str]:
        return {"RISKSTREAM_METRICS_PORT": str(self.metrics_port), "RISKSTREAM_INSTANCE": self.name}

    def address(self) -> str:
        return f"http://{HOST}:{self.metrics_port}/metrics"

    def check(self) -> str | None:
        """None when it is alive and ready."""
        for path in ("/healthz", "/readyz"):
            connection = http.client.HTTPConnection(HOST, self.metrics_port, timeout=5)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                text = response.read(2000).decode(errors="replace").strip()
            except (OSError, http.client.HTTPException) as error:
                return f"no answer on {path}: {error}"
            finally:
                connection.close()
            if response.status != 200:
                return f"{path}: {text or response.status}"
        return None


class HttpGateway(Service):
    """The service that also listens for readings over HTTP."""

    def prepare(self) -> None:
        super().prepare()
        self._ports.require_free("http-gateway")

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **self.offers()}

    def offers(self) -> Mapping[str, str]:
        return {"RISKSTREAM_HTTP_HOST": HOST, "RISKSTREAM_HTTP_PORT": str(self._ports["http-gateway"])}

    def address(self) -> str:
        return f"http://{HOST}:{self._ports['http-gateway']}"


def make_service(name: str, ports: Ports) -> Service:
    """The service of that name in the table."""
    kind = HttpGateway if name == "http-gateway" else Service
    return kind(name, riskstream(*SERVICES[name]), ports)
