"""Rows of the suite, as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass
class Row:
    """What a scenario gave. `failure` is empty when it passed."""

    name: str
    title: str
    hop: str
    faults: list[str] = field(default_factory=list)
    readings: int = 0
    sent_again: int = 0
    lost: int = 0
    doubled: int = 0
    alerts: int = 0
    alerts_missed: int = 0
    alerts_doubled: int = 0
    repeats: int = 0
    recovery_s: float | None = None
    seconds: float = 0.0
    failure: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failure


HEAD = (
    "scenario", "faults injected", "readings", "lost", "doubled", "alert events", "missed", "doubled", "recovery, s",
    "hop", "result",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    recovery = "–" if row.recovery_s is None else f"{row.recovery_s:.1f}"
    return (
        row.title, "; ".join(row.faults) or "none", f"{row.readings:,}", str(row.lost), str(row.doubled),
        f"{row.alerts:,}", str(row.alerts_missed), str(row.alerts_doubled), recovery, row.hop,
        "holds" if row.passed else "FAILS",
    )  # fmt: skip


def markdown(rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def text(rows: Sequence[Row]) -> str:
    """Columns side by side; what was injected, and why a row fails, below its row."""
    shown = [HEAD[:1] + HEAD[2:]] + [cells(row)[:1] + cells(row)[2:] for row in rows]
    widths = [max(len(line[number]) for line in shown) for number in range(len(shown[0]))]
    lines = []
    for number, line in enumerate(shown):
        first, *rest = line
        padded = [
            first.ljust(widths[0]),
            *(one.rjust(width) for one, width in zip(rest[:-2], widths[1:-2], strict=True)),
        ]
        lines.append("  ".join([*padded, rest[-2].ljust(widths[-2]), rest[-1]]).rstrip())
        if number:
            row = rows[number - 1]
            lines.append(f"    {'; '.join(row.faults) or 'nothing was injected'}")
            lines += [f"    ! {part}" for part in row.failure.splitlines()]
            lines += [f"    ({part})" for part in row.notes]
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([{**asdict(row), "passed": row.passed} for row in rows], indent=1, ensure_ascii=False) + "\n"
