"""One place at which a coupling holds, or will if nothing comes that must not: its members, times and alert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from processors.core.coupling.intervals import FOREVER
from schemas.levels import Level


@dataclass(slots=True)
class Instance:
    """`members` are episode ids, oldest first. Before it is raised `alert_id` is empty and `level` none.

    `due_at`: log time at which it is looked at again (to raise it, or to clear it).
    """

    number: int
    run: str
    members: list[str]
    onset_at: int
    due_at: int = FOREVER
    alert_id: str = ""
    level: Level = Level.NONE
    sequence: int = 0
    at: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_raised(self) -> bool:
        return bool(self.alert_id)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"level": int(self.level)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Instance:
        return cls(**{**data, "level": Level(data["level"])})
