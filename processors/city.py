"""A city's couplings and risk index together: the log of signals in, what follows from it out. No Kafka, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.core.coupling import CouplingEngine, CouplingSet
from processors.core.zones import ZoneEngine, ZoneStandard
from schemas.records import Signal, ZoneRisk
from schemas.registry import EMPTY, Snapshot


@dataclass(frozen=True, slots=True)
class Output:
    """What follows from one record of the log, in order."""

    signals: list[Signal] = field(default_factory=list)
    risks: list[ZoneRisk] = field(default_factory=list)


class City:
    """Both engines over one log."""

    def __init__(self, couplings: CouplingSet, zones: ZoneStandard, registry: Snapshot = EMPTY) -> None:
        self.couplings = CouplingEngine(couplings, registry)
        self.zones = ZoneEngine(zones)

    @property
    def registry(self) -> Snapshot:
        return self.couplings.registry

    def take(self, signal: Signal, log_time: int, registry: Snapshot, partition: int = 0, offset: int = 0) -> Output:
        """Take the next signal; `registry` is the newest that any signal up to here knew."""
        if registry.version > self.registry.version:
            self.couplings.set_registry(registry)
        coupled = self.couplings.signal(signal, log_time, partition, offset)
        risks, graded = self.zones.signal(signal, self.couplings.log_time, partition, offset)
        return Output(coupled + graded, risks)

    def export(self) -> dict[str, Any]:
        """The whole state as plain values."""
        return {
            "registry": self.registry.version,
            "couplings": self.couplings.export(),
            "zones": self.zones.export(),
        }

    def restore(self, state: Mapping[str, Any], registry: Snapshot) -> None:
        """Put exported state into a new city; `registry` is that of the state's version."""
        self.couplings.set_registry(registry)
        self.couplings.restore(state["couplings"])
        self.zones.restore(state["zones"])
