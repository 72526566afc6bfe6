"""One alert on a page: what, where, every event, the evidence, a chart of its sensor around it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from riskstream.alert_queries import find_events, series
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
    for name, value in _facts(alert, settings).items():
        console.print(Text(f"{name:>{_LABEL}}", style="bold"), Text(value))
    console.print()
    _print_events(console, find_events(client, alert["alert_id"]), settings)
    console.print()
    console.print(Text("evidence", style="bold"))
    for name, value in evidence.items():
        console.print(Text(f"{name:>{_LABEL}}"), Text(_words(value)))
    _print_chart(console, settings, client, alert, evidence)


def _facts(alert: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    state = "cleared" if alert["cleared"] else alert["status"]
    facts = {
        "alert": alert["alert_id"],
        "level": f"{alert['level']} (highest {alert['highest_level']}), {state}, {alert['mode']}",
        "rule": f"{alert['rule_id']} (version {alert['rule_version']}, registry {alert['registry_version']})",
        "zone": alert["zone"],
        "sensors": ", ".join(alert["sensors"]),
        "assets": ", ".join(alert["assets"]),
        "for": ", ".join(alert["departments"]),
        "onset": local(alert["onset_at"], settings.timezone),
        "raised": local(alert["raised_at"], settings.timezone),
        "due": local(alert["due_at"], settings.timezone) + (" (overdue)" if alert["overdue"] else ""),
        "advice": "  ".join(alert["advice"].values()),
    }
    return {name: value for name, value in facts.items() if value and value != "–"}


def _print_events(console: Console, events: list[dict[str, Any]], settings: Settings) -> None:
    table = Table(header_style="bold", show_edge=False)
    for name in ("time", "event", "level", "status", "value", "published"):
        table.add_column(name, overflow="fold")
    for event in events:
        table.add_row(
            local(event["updated_at"], settings.timezone),
            event["event"],
            Text(event["level"], style=LEVEL_STYLES[event["level"]]),
            event["status"],
            "" if event["value"] is None else f"{event['value']:.5g}",
            local(event["published_at"], settings.timezone),
        )
    console.print(table)


def _print_chart(
    console: Console, settings: Settings, client: ColumnClient, alert: Mapping[str, Any], evidence: Mapping[str, Any]
) -> None:
    from schemas.kinds import load_kinds

    kind = load_kinds(*settings.kinds_dirs).get(alert["kind"])
    if kind is None or not alert["sensors"]:
        return
    field = charted_field(kind, evidence)
    around_ms = round(1000 * max(1800.0, 30 * kind.period_s))
    first = round(alert["onset_at"].timestamp() * 1000) - around_ms
    last = round(alert["updated_at"].timestamp() * 1000) + around_ms // 3
    width = max(20, min(100, console.width - _LABEL - 12))
    low, high = series(client, kind.table, field.name, alert["sensors"][0], first, last, 2 * width)
    lines = chart(low, high, threshold_lines(field, evidence))
    if not lines:
        return
    console.print()
    console.print(Text(f"{field.name} of {alert['sensors'][0]}, {field.unit}", style="bold"))
    for line in lines:
        style = LEVEL_STYLES.get(line.threshold, "")
        console.print(Text(f"{line.label:>{_LABEL}} {line.cells}{line.threshold}", style=style))
    start, end = (local(from_ms(time), settings.timezone) for time in (first, last))
    console.print(Text(" " * (_LABEL + 1) + start + end.rjust(max(1, width - len(start))), style="dim"))


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
