"""One alert event as one line for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rich.text import Text

from schemas.records import Alert

COLOURS = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "blue": "dodger_blue1"}


def alert_line(alert: Alert, language: str = "en") -> Text:
    """Time, level in its colour, what happened, title, where, value, who gets it."""
    level = alert.level.word
    style = "green" if alert.event == "cleared" else COLOURS.get(level, "")
    at = datetime.fromtimestamp(alert.updated_at / 1000, UTC).strftime("%H:%M:%S")
    title = alert.title.get(language) or alert.title.get("en") or alert.rule_id
    value = "" if math.isnan(alert.value) else f"  {alert.value:.4g}"
    line = Text(f"{at}  ")
    line.append(f"{level:<6}", style=style)
    line.append(f" {alert.event:<8}", style="green" if alert.event == "cleared" else "")
    line.append(f" {title}{value}", style=style)
    line.append(f"  {alert.zone}  {', '.join(alert.sensors)}", style="dim")
    line.append(f"  → {', '.join(alert.departments)}")
    return line
