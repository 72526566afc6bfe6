"""One alert event as one line for people."""

from __future__ import annotations

import json
import math

from rich.text import Text

from riskstream.output import LEVEL_STYLES
from riskstream.times import from_ms, local
from schemas.records import Alert

_BRIEF_SENSORS = 2
_USUAL_PRIORITY = 5
_SIGNS = {"ue": "µε", "Cel": "°C", "m3/h": "m³/h"}
"""How people write the units of the kinds' files."""


def with_unit(number: str, unit: str) -> str:
    """The number with its unit, as people write it."""
    sign = _SIGNS.get(unit, unit)
    return f"{number}{'' if sign.startswith('%') else ' '}{sign}" if sign else number


def unit_in(evidence: str) -> str:
    """The unit of an alert's value; empty if the evidence names none."""
    try:
        found = json.loads(evidence)
    except json.JSONDecodeError:
        return ""
    return str(found.get("unit", "")) if isinstance(found, dict) else ""


def alert_line(alert: Alert, timezone: str, language: str = "en", *, brief: bool = False) -> Text:
    """Time, level in its colour, what happened, title, value, where, who gets it, and the id's beginning; the
    priority if it is not the usual one.

    Brief: without the date, the upper zones, most of many sensors, and the id.
    """
    style = "green" if alert.cleared else LEVEL_STYLES[alert.level.word]
    title = alert.title.get(language) or next(iter(alert.title.values()), alert.rule_id)
    exercise = " [exercise]" if alert.mode == "exercise" else ""
    value = "" if math.isnan(alert.value) else f"  {with_unit(f'{alert.value:.4g}', unit_in(alert.evidence))}"
    at = local(from_ms(alert.updated_at), timezone)
    zone = "/".join(alert.zone.split("/")[-3:]) if brief else alert.zone
    line = Text(f"{at.split()[-1] if brief else at}  ")
    line.append(f"{alert.level.word:<6} {alert.event:<8} {title + exercise + value:<50}", style=style)
    if alert.priority != _USUAL_PRIORITY:
        line.append(f"  priority {alert.priority}")
    more = len(alert.sensors) - _BRIEF_SENSORS
    shown = [*alert.sensors[:_BRIEF_SENSORS], f"+{more}"] if brief and more > 0 else alert.sensors
    line.append(f"  {zone}  {','.join(shown)}", style="dim")
    line.append(f"  → {','.join(alert.departments)}")
    if not brief:
        line.append(f"  {alert.alert_id[:12]}", style="dim")
    return line
