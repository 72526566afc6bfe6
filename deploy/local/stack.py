"""A stack as the user asks for it: which parts, where, with which settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.clickhouse import ClickHouse
from deploy.local.kafka import Kafka
from deploy.local.mosquitto import Mosquitto
from deploy.local.part import Part
from deploy.local.ports import Ports
from deploy.local.services import SERVICES, Service, make_service, riskstream
from deploy.local.state import StackState
from deploy.local.supervisor import Supervisor

SERVERS: dict[str, Callable[[Path, Ports], Part]] = {
    "kafka": Kafka,
    "mosquitto": Mosquitto,
    "clickhouse": ClickHouse,
}

# few partitions, so that a small machine has few and well-filled batches
LOCAL_PARTITIONS = "2"


class UnknownPartError(Exception):
    """`--only` or `--port` names something that the stack does not have."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What `riskstream up` was asked for."""

    folder: Path
    only: tuple[str, ...] = ()  # names of parts; empty: all
    ports: dict[str, int] = field(default_factory=dict)  # listener -> port, the user's choice
    well_known: bool = True  # prefer the usual ports (9092, 1883, …) at the first start
    # more parts: name -> command line of a program that serves /healthz and /readyz like a service
    extra: dict[str, list[str]] = field(default_factory=dict)


def part_names() -> list[str]:
    """All parts in the order in which they start."""
    return [*SERVERS, *SERVICES]


def has_services(options: StackOptions) -> bool:
    """Whether any Riskstream service was asked for, not only servers."""
    return not options.only or any(name in SERVICES for name in options.only)


def listener_names() -> list[str]:
    """All names that `--port` takes."""
    return ["kafka", "kafka-controller", "mosquitto", "clickhouse", "clickhouse-http", "http-gateway"] + [
        f"{name}-metrics" for name in SERVICES
    ]


def make_supervisor(options: StackOptions, on_change: Callable[[StackState], None] | None = None) -> Supervisor:
    """The supervisor of the parts asked for; call it inside a running event loop.

    Raises UnknownPartError, PortError, NotInstalledError before anything is started.
    """
    for name in options.only:
        if name not in part_names():
            raise UnknownPartError(f"no part is called {name!r}; there are: {', '.join(part_names())}")
    for name in options.ports:
        if name not in listener_names():
            raise UnknownPartError(f"no listener is called {name!r}; there are: {', '.join(listener_names())}")
    ports = Ports(options.folder, options.ports, options.well_known)
    ports.save()

    def wanted(name: str) -> bool:
        return not options.only or name in options.only

    servers = [make(options.folder, ports) for name, make in SERVERS.items() if wanted(name)]
    services = [make_service(name, ports) for name in SERVICES if wanted(name)]
    extra = [Service(name, argv, ports) for name, argv in options.extra.items()]
    for server in servers:
        server.command()  # a missing program is named before anything starts
    environment = {}
    if "RISKSTREAM_CONFIG" not in os.environ:  # a file may say it, and the environment would win over it
        environment["RISKSTREAM_PARTITIONS"] = os.environ.get("RISKSTREAM_PARTITIONS") or LOCAL_PARTITIONS
    return Supervisor(
        options.folder,
        [servers, [*services, *extra]],
        between=riskstream("migrate") if services else None,
        environment=environment,
        on_change=on_change,
    )
