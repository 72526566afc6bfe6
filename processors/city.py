"""A city's couplings and risk index together: the log of signals in, what follows from it out. No Kafka, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.core.coupling import CouplingEngine
from processors.core.standard import Standard
from processors.core.zones import ZoneEngine
from schemas.records import Signal, ZoneRisk
from schemas.registry import EMPTY, Snapshot


@dataclass(frozen=True, slots=True)
class Output:
    """What follows from one record of the log, in order."""

    signals: list[Signal] = field(default_factory=list)
    risks: list[ZoneRisk] = field(default_factory=list)


class City:
    """All that judges the log of signals, side by side. `standard` is the version in force, `registry` likewise."""

    def __init__(self, standard: Standard, registry: Snapshot = EMPTY) -> None:
        self.standard = standard
        self.couplings = CouplingEngine(standard.couplings, registry)
        self.zones = ZoneEngine(standard.zones)

    @property
    def registry(self) -> Snapshot:
        return self.couplings.registry

    def take(
        self, signal: Signal, log_time: int, registry: Snapshot, partition: int = 0, offset: int = 0,
        standard: Standard | None = None,
    ) -> Output:  # fmt: skip
        """Take the next signal.

        `registry` is the newest that any signal up to here knew; `standard` is given with a mark that puts a version
        into force (`rules_version`), which it is from behind that mark.
        """
        if registry.version > self.registry.version:
            self.couplings.set_registry(registry)
        found = self.couplings.signal(signal, log_time, partition, offset)
        risks, graded = self.zones.signal(signal, self.couplings.log_time, partition, offset)
        found += graded
        if standard is not None and standard.version > self.standard.version:
            self.standard = standard
            now = self.couplings.log_time
            found += self.couplings.set_couplings(standard.couplings, now, partition, offset)
            more, graded = self.zones.set_standard(standard.zones, now, self.registry.version, partition, offset)
            risks += more
            found += graded
        return Output(found, risks)

    def export(self) -> dict[str, Any]:
        """The whole state as plain values."""
        return {
            "registry": self.registry.version,
            "rules": self.standard.version,
            "couplings": self.couplings.export(),
            "zones": self.zones.export(),
        }

    def restore(self, state: Mapping[str, Any], registry: Snapshot) -> None:
        """Put exported state into a new city of the state's version of the standard, and `registry` of its version."""
        self.couplings.set_registry(registry)
        self.couplings.restore(state["couplings"])
        self.zones.restore(state["zones"])


def versions_of(state: Mapping[str, Any]) -> tuple[int, int]:
    """The versions of standard and registry that exported state is of."""
    return int(state.get("rules", 0)), int(state["registry"])  # states of old knew version 0 alone
