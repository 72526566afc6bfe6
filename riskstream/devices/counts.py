"""What became of what was sent: exact counts, in readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class TransportCounts:
    """One way in. Every reading that was sent is acknowledged, rejected, or unanswered.

    `messages` are MQTT messages or HTTP posts; `resent` counts those that were sent again after a lost connection or a
    503. A reading that was sent twice counts once.
    """

    sent: int = 0
    acknowledged: int = 0
    messages: int = 0
    resent: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)

    @property
    def unanswered(self) -> int:
        return self.sent - self.acknowledged - self.rejected.total()


@dataclass(slots=True)
class Counts:
    """All ways in together."""

    transports: dict[str, TransportCounts] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return sum(counts.sent for counts in self.transports.values())

    @property
    def acknowledged(self) -> int:
        return sum(counts.acknowledged for counts in self.transports.values())

    @property
    def unanswered(self) -> int:
        return sum(counts.unanswered for counts in self.transports.values())

    @property
    def rejected(self) -> Counter[str]:
        return _total(counts.rejected for counts in self.transports.values())

    @property
    def by_kind(self) -> Counter[str]:
        return _total(counts.by_kind for counts in self.transports.values())

    def as_dict(self) -> dict[str, Any]:
        """For `--format json`."""
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "rejected": dict(self.rejected),
            "unanswered": self.unanswered,
            "by_kind": dict(sorted(self.by_kind.items())),
            "via": {
                name: {
                    "sent": c.sent,
                    "acknowledged": c.acknowledged,
                    "rejected": dict(c.rejected),
                    "unanswered": c.unanswered,
                    "messages": c.messages,
                    "resent": c.resent,
                }
                for name, c in self.transports.items()
            },
        }


def _total(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total
