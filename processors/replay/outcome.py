"""What a replay gives: its signals, and the alerts that they make."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from processors.core.alerts import AlertTexts, step
from schemas.levels import Level
from schemas.records import Alert, Signal


@dataclass(frozen=True, slots=True)
class AlertStory:
    """An alert from beginning to end; times in ms UTC of event time, `cleared_at` None while it holds."""

    last: Alert
    signals: tuple[Signal, ...]

    @property
    def alert_id(self) -> str:
        return self.last.alert_id

    @property
    def rule_id(self) -> str:
        return self.last.rule_id

    @property
    def sensor_id(self) -> str:
        return ",".join(self.last.sensors)

    @property
    def place(self) -> str:
        """What the alert is about: the sensor or, of couplings, the zone (more sensors may join them)."""
        return self.zone if self.last.type == "coupling" else self.sensor_id

    @property
    def zone(self) -> str:
        return self.last.zone

    @property
    def level(self) -> Level:
        """The highest level that it reached."""
        return self.last.highest_level

    @property
    def raised_at(self) -> int:
        return self.last.raised_at

    @property
    def cleared_at(self) -> int | None:
        return self.last.updated_at if self.last.cleared else None


@dataclass(slots=True)
class Outcome:
    """Signals in the order of the replay; `first_at` and `last_at` are the oldest and newest time of a reading (ms)."""

    signals: list[Signal] = field(default_factory=list)
    readings: int = 0
    first_at: int | None = None
    last_at: int | None = None

    def saw(self, count: int, first_at: int, last_at: int) -> None:
        """Note readings that were played."""
        self.readings += count
        self.first_at = first_at if self.first_at is None else min(self.first_at, first_at)
        self.last_at = last_at if self.last_at is None else max(self.last_at, last_at)

    def only(self, since: int | None, until: int | None) -> None:
        """Keep the alerts that were raised in [since, until) (ms; None: no bound), with all their signals."""
        raised: dict[str, int] = {}
        for signal in self.signals:
            raised.setdefault(signal.alert_id, signal.at)
        low, high = -math.inf if since is None else since, math.inf if until is None else until
        self.signals = [signal for signal in self.signals if low <= raised[signal.alert_id] < high]
        if self.first_at is not None and self.last_at is not None:
            self.first_at = self.first_at if since is None else max(self.first_at, since)
            self.last_at = self.last_at if until is None else max(self.first_at, min(self.last_at, until))

    @property
    def days(self) -> float:
        """Days of event time from the first reading to the last."""
        if self.first_at is None or self.last_at is None:
            return 0.0
        return (self.last_at - self.first_at) / 86_400_000


def stories(signals: Iterable[Signal], texts: Callable[[Signal], AlertTexts]) -> list[AlertStory]:
    """The alerts of signals, in the order in which they were raised; `texts(signal)` is what its rule says."""
    alerts: dict[str, Alert] = {}
    parts: dict[str, list[Signal]] = {}
    for signal in signals:
        after = step(alerts.get(signal.alert_id), signal, texts(signal))
        if after is not None:
            alerts[signal.alert_id] = after
            parts.setdefault(signal.alert_id, []).append(signal)
    found = [AlertStory(alert, tuple(parts[alert_id])) for alert_id, alert in alerts.items()]
    return sorted(found, key=lambda story: (story.raised_at, story.rule_id, story.sensor_id))


def by_rule_and_level(found: Iterable[AlertStory]) -> dict[str, Counter[str]]:
    """How many alerts of each rule reached which level at most."""
    table: dict[str, Counter[str]] = {}
    for story in found:
        table.setdefault(story.rule_id, Counter())[story.level.word] += 1
    return dict(sorted(table.items()))
