"""Times as people write and read them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click

_AGO = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)$")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Since(click.ParamType):
    """`30m`, `2h`, `7d` (so long ago), or RFC 3339; without an offset it is UTC. Gives a datetime in UTC."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if match := _AGO.match(text):
            return datetime.now(UTC) - timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is neither a time such as 2026-07-01T12:00:00Z nor an age such as 30m, 2h or 7d", param, ctx
            )
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def local(time: datetime | None, zone: str) -> str:
    """A time in the city's zone, to the second; – for none."""
    return "–" if time is None else time.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def from_ms(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
