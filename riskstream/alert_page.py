"""One alert on a page: what, where, every event, the evidence, a chart of its sensor around it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from riskstream.alert_lines import unit_in, with_unit
from riskstream.alert_queries import find_events, newest_reading, series
from riskstream.chart import chart
from riskstream.output import LEVEL_STYLES
from riskstream.times import from_ms, local

if TYPE_CHECKING:
    from runtime.settings import Settings
    from schemas.kinds import Field, Kind
    from sinks.clickhouse import ColumnClient

_LABEL = 10
# a value that has the unit of its field: the field itself or a window of it
_SAME_UNIT = re.compile(r"^(?:(?:mean|min|max|last|median)\()?\s*(\w+)\s*(?:,[^()]*\))?$")


def print_alert(settings: Settings, client: ColumnClient, alert: Mapping[str, Any]) -> None:
    """Print the page. Raises what `sinks.clickhouse.query` raises."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    style = LEVEL_STYLES[alert["level"]]
    evidence = _read(alert["evidence"])
    for language, title in alert["title"].items():
        console.print(Text(f"{title}", style=style), Text(f"({language})", style="dim"))
    console.print(labelled(_facts(alert, settings), "bold"))
    console.print()
    events = find_events(client, alert["alert_id"])
    _print_events(console, events, settings, unit_in(alert["evidence"]))
    console.print()
    console.print(Text("evidence", style="bold"))
    console.print(labelled({name: [_words(value)] for name, value in evidence.items()}, ""))
    _print_chart(console, settings, client, alert, events, evidence)


def labelled(facts: Mapping[str, Sequence[str]], style: str) -> Table:
    """A label and its texts beside it; a text that is broken into lines stays beside its label."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", min_width=_LABEL, no_wrap=True)
    table.add_column(overflow="fold")
    for name, texts in facts.items():
        for number, text in enumerate(texts):
            table.add_row(Text("" if number else name, style=style), Text(text))
    return table


def _facts(alert: Mapping[str, Any], settings: Settings) -> dict[str, list[str]]:
    state = "cleared" if alert["cleared"] else alert["status"]
    facts = {
        "alert": alert["alert_id"],
        "level": f"{alert['level']} (highest {alert['highest_level']}), {state}, {alert['mode']}",
        "rule": f"{alert['rule_id']} (version {alert['rule_version']}, registry {alert['registry_version']})",
        "priority": str(alert["priority"]),
        "zone": alert["zone"],
        "sensors": ", ".join(alert["sensors"]),
        "assets": ", ".join(alert["assets"]),
        "for": ", ".join(alert["departments"]),
        "onset": local(alert["onset_at"], settings.timezone),
        "raised": local(alert["raised_at"], settings.timezone),
        "due": local(alert["due_at"], settings.timezone) + (" (overdue)" if alert["overdue"] else ""),
    }
    shown = {name: [value] for name, value in facts.items() if value and value != "–"}
    return shown | ({"advice": list(alert["advice"].values())} if alert["advice"] else {})


def _print_events(console: Console, events: list[dict[str, Any]], settings: Settings, unit: str) -> None:
    table = Table(header_style="bold", show_edge=False)
    for name in ("time", "event", "level", "status", "value", "published"):
        table.add_column(name, overflow="fold")
    for event in events:
        table.add_row(
            local(event["updated_at"], settings.timezone),
            event["event"],
            Text(event["level"], style=LEVEL_STYLES[event["level"]]),
            event["status"],
            "" if event["value"] is None else with_unit(f"{event['value']:.5g}", unit),
            local(event["published_at"], settings.timezone),
        )
    console.print(table)


def _print_chart(
    console: Console, settings: Settings, client: ColumnClient, alert: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]], evidence: Mapping[str, Any],
) -> None:  # fmt: skip
    from schemas.kinds import load_kinds

    kind = load_kinds(*settings.kinds_dirs).get(alert["kind"])
    if kind is None or not alert["sensors"]:
        return
    field = charted_field(kind, evidence)
    sensor = alert["sensors"][0]
    onset = _ms(alert["onset_at"])
    cleared = next((_ms(one["updated_at"]) for one in reversed(events) if one["event"] == "cleared"), None)
    newest = newest_reading(client, kind.table, sensor, alert["mode"], onset) or onset
    first, last = charted_span(onset, newest if cleared is None else cleared, newest, kind.period_s)
    width = max(20, min(100, console.width - _LABEL - 12))
    low, high = series(client, kind.table, field.name, sensor, first, last, 2 * width)
    lines = chart(low, high, threshold_lines(field, evidence))
    if not lines:
        return
    console.print()
    console.print(Text(f"{field.name} of {sensor}, {field.unit}", style="bold"))
    for line in lines:
        style = LEVEL_STYLES.get(line.threshold, "")
        console.print(Text(f"{line.label:>{_LABEL}} {line.cells}{line.threshold}", style=style))
    start, end = (local(from_ms(time), settings.timezone) for time in (first, last))
    console.print(Text(" " * (_LABEL + 1) + start + end.rjust(max(1, width - len(start))), style="dim"))


def charted_span(onset_ms: int, ended_ms: int, newest_ms: int, period_s: float) -> tuple[int, int]:
    """First and last moment of the chart: a bit before the onset, a bit after the end where there are readings."""
    margin = max(60_000, round(6000 * period_s), (ended_ms - onset_ms) // 5)
    return onset_ms - margin, min(ended_ms + margin, max(newest_ms, ended_ms))


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def charted_field(kind: Kind, evidence: Mapping[str, Any]) -> Field:
    """The field that the evidence names first, otherwise the kind's first."""
    text = f"{evidence.get('expression', '')} {evidence.get('windows', '')} {evidence.get('fields', '')}"
    found = [(text.index(field.name), field) for field in kind.fields if re.search(rf"\b{field.name}\b", text)]
    return min(found, key=lambda pair: pair[0])[1] if found else kind.fields[0]


def threshold_lines(field: Field, evidence: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds by level, where the rule's value is the field itself or a window of it; otherwise none."""
    match = _SAME_UNIT.match(str(evidence.get("expression", "")).strip())
    thresholds = evidence.get("thresholds")
    if match is None or match[1] != field.name or not isinstance(thresholds, dict):
        return {}
    lines = {}
    for level, limits in thresholds.items():
        numbers = limits.values() if isinstance(limits, dict) else [limits]
        for number in numbers:
            if isinstance(number, int | float) and level in LEVEL_STYLES:
                lines[level] = float(number)
    return lines


def _read(text: str) -> dict[str, Any]:
    try:
        evidence = json.loads(text)
    except json.JSONDecodeError:
        return {"text": text}
    return evidence if isinstance(evidence, dict) else {"value": evidence}


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
