"""Lengths of time and counts of readings, as rules write them: `30s`, `2m`, `10m`, `1h`, `7d`, `2 readings`."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_READINGS = re.compile(r"(\d+)\s+readings?")
_PERIODS = re.compile(r"(\d+)\s+periods?")
ALLOWED = "a number and ms, s, m, h or d (30s, 10m, 1.5h, 7d)"


def duration_ms(text: str) -> int:
    """Milliseconds of `30s`, `1h 30m`. Raises `ValueError` naming what is allowed."""
    total, rest = 0.0, text.strip()
    while rest:
        match = _DURATION.match(rest)
        if not match:
            break
        total += float(match[1]) * UNITS_MS[match[2]]
        rest = rest[match.end() :].lstrip()
    if rest or not text.strip():
        raise ValueError(f"{text!r} is not a length of time; allowed: {ALLOWED}")
    if total != int(total):
        raise ValueError(f"{text!r} is not a whole number of milliseconds")
    return int(total)


def periods(text: str) -> int | None:
    """3 for `3 periods`; None for anything else."""
    match = _PERIODS.fullmatch(text.strip())
    return int(match[1]) if match else None


def duration_text(milliseconds: int) -> str:
    """The shortest way to write it: 90000 is `1m30s`."""
    if milliseconds == 0:
        return "0s"
    parts, rest = [], abs(milliseconds)
    for unit in ("d", "h", "m", "s", "ms"):
        number, rest = divmod(rest, UNITS_MS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return ("-" if milliseconds < 0 else "") + "".join(parts)


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a condition must hold: from its first reading on for `ms`, and at `readings` readings."""

    ms: int = 0
    readings: int = 1

    def __str__(self) -> str:
        return f"{self.readings} readings" if self.readings > 1 else duration_text(self.ms)


def parse_hold(text: str) -> Hold:
    """`30s` or `2 readings`. Raises `ValueError` naming what is allowed."""
    match = _READINGS.fullmatch(text.strip())
    if match:
        if int(match[1]) < 1:
            raise ValueError("at least 1 reading is needed")
        return Hold(readings=int(match[1]))
    try:
        return Hold(ms=duration_ms(text))
    except ValueError:
        raise ValueError(f"{text!r} is not understood; allowed: {ALLOWED}, or `2 readings`") from None
