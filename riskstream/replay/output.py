"""Results of a replay as rows, and rows as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from processors.replay.compare import CHANGES, Difference, per_rule_and_zone
from processors.replay.labels import Score
from processors.replay.outcome import AlertStory, by_rule_and_level
from riskstream.output import plain
from riskstream.times import from_ms
from schemas.levels import LEVELS
from schemas.records import Signal

Rows = Sequence[Mapping[str, Any]]

ALERT_COLUMNS = (
    "raised_at", "level", "rule", "sensors", "zone", "cleared_at", "onset_at", "value", "alert_id", "departments",
    "events",
)  # fmt: skip
SIGNAL_COLUMNS = (
    "at", "transition", "level", "previous_level", "rule", "sensor", "zone", "value", "onset_at", "sequence",
    "signal_id", "alert_id", "kind", "asset", "rule_version", "registry_version", "mode", "evidence",
)  # fmt: skip
DIFFERENCE_COLUMNS = ("change", "rule", "sensors", "zone", "raised_at", "moved_s", "level", "level_before")
TABLE_COLUMNS = ("rule", "zone", *CHANGES)
EVENT_COLUMNS = ("event", "from", "until", "result", "first_alert", "rule", "level", "delay_s", "lead_s", "alerts")
SUMMARY_COLUMNS = ("rule", *(level.word for level in reversed(LEVELS)))


def alert_rows(found: Iterable[AlertStory]) -> Rows:
    """A row an alert; `level` is the highest that it reached, `value` that of its newest event."""
    return [
        {
            "raised_at": from_ms(story.raised_at),
            "level": story.level.word,
            "rule": story.rule_id,
            "sensors": story.last.sensors,
            "zone": story.zone,
            "cleared_at": None if story.cleared_at is None else from_ms(story.cleared_at),
            "onset_at": from_ms(story.last.onset_at),
            "value": _number(story.last.value),
            "alert_id": story.alert_id,
            "departments": story.last.departments,
            "events": len(story.signals),
        }
        for story in found
    ]


def signal_rows(found: Iterable[Signal]) -> Rows:
    return [
        {
            "at": from_ms(signal.at),
            "transition": signal.transition,
            "level": signal.level.word,
            "previous_level": signal.previous_level.word,
            "rule": signal.rule_id,
            "sensor": signal.sensor_id,
            "zone": signal.zone,
            "value": _number(signal.value),
            "onset_at": from_ms(signal.onset_at),
            "sequence": signal.sequence,
            "signal_id": signal.signal_id,
            "alert_id": signal.alert_id,
            "kind": signal.kind,
            "asset": signal.asset_id,
            "rule_version": signal.rule_version,
            "registry_version": signal.registry_version,
            "mode": signal.mode,
            "evidence": signal.evidence,
        }
        for signal in found
    ]


def difference_rows(found: Iterable[Difference]) -> Rows:
    """A row an alert that is not the same."""
    return [
        {
            "change": ", ".join(one.changes),
            "rule": one.story.rule_id,
            "sensors": one.story.last.sensors,
            "zone": one.story.zone,
            "raised_at": from_ms(one.story.raised_at),
            "moved_s": one.moved_ms / 1000,
            "level": one.after.level.word if one.after else None,
            "level_before": one.before.level.word if one.before else None,
        }
        for one in found
        if one.changes != ("same",)
    ]


def table_rows(found: Iterable[Difference], zone_level: str) -> Rows:
    """A row for each rule and zone, with the number of alerts by what became of them."""
    return [
        {"rule": rule, "zone": zone, **{change: counts[change] for change in CHANGES}}
        for (rule, zone), counts in per_rule_and_zone(found, zone_level).items()
    ]


def event_rows(found: Score) -> Rows:
    """A row a known event."""
    rows = []
    for one in found.detections:
        first = one.alerts[0] if one.alerts else None
        rows.append(
            {
                "event": one.label.name or one.label.sensor or one.label.zone or one.label.rule,
                "from": from_ms(one.label.start),
                "until": from_ms(one.label.end),
                "result": "detected" if first else "missed",
                "first_alert": from_ms(first.raised_at) if first else None,
                "rule": first.rule_id if first else None,
                "level": max(story.level for story in one.alerts).word if first else None,
                "delay_s": None if one.delay_ms is None else one.delay_ms / 1000,
                "lead_s": None if one.lead_ms is None else one.lead_ms / 1000,
                "alerts": len(one.alerts),
            }
        )
    return rows


def summary_rows(found: Iterable[AlertStory]) -> Rows:
    """A row a rule: how many alerts reached which level at most."""
    return [
        {"rule": rule, **{level.word: counts[level.word] for level in reversed(LEVELS)}}
        for rule, counts in by_rule_and_level(found).items()
    ]


def write_rows(path: Path, rows: Rows, columns: Sequence[str]) -> None:
    """Write rows as CSV, JSON (an object a line) or Parquet, as the file's ending says. Raises `OSError`."""
    if path.suffix == ".parquet":
        _write_parquet(path, rows, columns)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            for row in rows:
                file.write(json.dumps({name: plain(row[name]) for name in columns}, ensure_ascii=False) + "\n")
            return
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _write_parquet(path: Path, rows: Rows, columns: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    def of_column(name: str) -> pa.Array:
        values = [row[name] for row in rows]
        if not rows or all(value is None for value in values):
            return pa.array(values, pa.timestamp("ms", "UTC") if name in _TIME_COLUMNS else pa.string())
        kind = pa.timestamp("ms", "UTC") if name in _TIME_COLUMNS else None
        return pa.array(values, kind)

    pyarrow.parquet.write_table(pa.table({name: of_column(name) for name in columns}), path)


_TIME_COLUMNS = frozenset({"at", "raised_at", "cleared_at", "onset_at", "from", "until", "first_alert"})


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return "" if value is None else plain(value)


def _number(value: float) -> float | None:
    return None if value != value else value
