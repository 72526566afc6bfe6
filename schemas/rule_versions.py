"""Versions of the rules and of the zones' modes, as `registry.rules` and `registry.modes` hold them.

Each record is one whole version; all are kept. Version 0 of either stands in no topic: the rules that the software
comes with (or those of `RISKSTREAM_RULES_DIR`), and no mode declared anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self, cast

from schemas.records import Record

RULES_TOPIC = "registry.rules"
MODES_TOPIC = "registry.modes"


class ZoneState(StrEnum):
    """What a zone is in: schedules of rules may differ."""

    PEACE = "peace"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class ZoneMode:
    """The zone and all below it are in this mode until a log time (ms)."""

    zone: str
    mode: str
    until: int


@dataclass(frozen=True, slots=True)
class RuleFiles(Record):
    """A version of the rules: the YAML files by name."""

    SUBJECT: ClassVar[str] = f"{RULES_TOPIC}-value"
    AVRO_NAME: ClassVar[str] = "registry_rules"

    version: int
    author: str
    reason: str
    applied_at: int
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Modes(Record):
    """A version of the modes: all that is declared."""

    SUBJECT: ClassVar[str] = f"{MODES_TOPIC}-value"
    AVRO_NAME: ClassVar[str] = "registry_modes"

    version: int
    author: str
    reason: str
    applied_at: int
    zones: tuple[ZoneMode, ...]

    def mode_of(self, zone: str, log_time: int) -> ZoneState:
        """The mode of a zone at a log time (ms): that of the nearest zone named at or above it, else peace."""
        near = [
            one for one in self.zones if one.until > log_time and (zone == one.zone or zone.startswith(f"{one.zone}/"))
        ]
        return ZoneState(max(near, key=lambda one: len(one.zone)).mode) if near else ZoneState.PEACE

    def encode(self) -> bytes:
        """The record in the wire format."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return self.codec().encode(values | {"zones": [dataclasses.asdict(one) for one in self.zones]})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises `schemas.wire.DecodeError`."""
        found = super(Modes, cls).decode(data)  # a dataclass with slots is not the class that super() means
        return dataclasses.replace(
            found, zones=tuple(ZoneMode(**one) for one in cast(list[dict[str, Any]], found.zones))
        )


NO_MODES = Modes(0, "", "", 0, ())
"""Version 0: peace everywhere."""
