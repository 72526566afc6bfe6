"""Known events against the alerts of a replay: detected, missed, false alarms, and the time left to act."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median

from processors.replay.outcome import AlertStory

COLUMNS = ("from", "until", "sensor", "zone", "rule", "name")


class LabelError(ValueError):
    """A file of known events cannot be read; the message names file, line and what is allowed."""


@dataclass(frozen=True, slots=True)
class Label:
    """A known event, from `start` to `end` (ms UTC, both included).

    An alert is of it if it is raised within that time, at this sensor, in this zone or below it, by a rule that
    matches; what is empty does not restrict.
    """

    start: int
    end: int
    sensor: str = ""
    zone: str = ""
    rule: str = ""
    name: str = ""

    def matches(self, story: AlertStory) -> bool:
        if not self.start <= story.raised_at <= self.end:
            return False
        if self.sensor and self.sensor not in story.last.sensors:
            return False
        if self.zone and not (story.zone == self.zone or story.zone.startswith(f"{self.zone}/")):
            return False
        return not self.rule or fnmatchcase(story.rule_id, self.rule)


@dataclass(frozen=True, slots=True)
class Detection:
    """A known event and the alerts of it, in order of time."""

    label: Label
    alerts: tuple[AlertStory, ...]

    @property
    def delay_ms(self) -> int | None:
        """From the event's beginning to the first alert; None if it was missed."""
        return self.alerts[0].raised_at - self.label.start if self.alerts else None

    @property
    def lead_ms(self) -> int | None:
        """From the first alert to the event's end: the time left to act; None if it was missed."""
        return self.label.end - self.alerts[0].raised_at if self.alerts else None


@dataclass(frozen=True, slots=True)
class Score:
    """How alerts and known events go together over `days` of readings."""

    detections: tuple[Detection, ...]
    false_alarms: tuple[AlertStory, ...]
    days: float

    @property
    def detected(self) -> int:
        return sum(1 for one in self.detections if one.alerts)

    @property
    def missed(self) -> int:
        return len(self.detections) - self.detected

    @property
    def false_alarms_a_day(self) -> float:
        """NaN if there are no readings."""
        return len(self.false_alarms) / self.days if self.days else float("nan")

    @property
    def median_lead_ms(self) -> float | None:
        leads = [one.lead_ms for one in self.detections if one.lead_ms is not None]
        return median(leads) if leads else None


def score(labels: Sequence[Label], found: Sequence[AlertStory], days: float) -> Score:
    """Give each alert to the known events that it is of; those of none are false alarms."""
    detections = tuple(Detection(label, tuple(story for story in found if label.matches(story))) for label in labels)
    false = tuple(story for story in found if not any(label.matches(story) for label in labels))
    return Score(detections, false, days)


def read_labels(path: Path) -> list[Label]:
    """The events of a CSV file with the columns `from`, `until` and any of the other `COLUMNS`.

    Times are RFC 3339; without an offset they are UTC. Raises `LabelError`.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            unknown = [name for name in names if name not in COLUMNS]
            if unknown or not {"from", "until"} <= set(names):
                raise LabelError(
                    f"{path}:1: columns {', '.join(names) or 'none'}; allowed: from and until, and any of "
                    f"{', '.join(COLUMNS[2:])}"
                )
            return [_label(path, number, row) for number, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: not readable: {error}") from None


def _label(path: Path, line: int, row: dict[str, str | None]) -> Label:
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    times = {}
    for name in ("from", "until"):
        try:
            time = datetime.fromisoformat(text[name])
        except ValueError:
            raise LabelError(
                f"{path}:{line}: {name}: {text[name]!r} is not a time such as 2026-07-01T12:00:00Z"
            ) from None
        times[name] = round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    if times["from"] > times["until"]:
        raise LabelError(f"{path}:{line}: until is before from")
    return Label(times["from"], times["until"], text["sensor"], text["zone"], text["rule"], text["name"])
