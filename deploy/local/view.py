"""The parts of a stack for people to read."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.state import PartState, PartStatus, Phase, StackState

COLOURS = {
    PartState.WAITING: "dim",
    PartState.STARTING: "yellow",
    PartState.HEALTHY: "green",
    PartState.UNHEALTHY: "red",
    PartState.RESTARTING: "red",
    PartState.STOPPING: "yellow",
    PartState.STOPPED: "dim",
}

_TROUBLE, _LEAST_TROUBLE = "what is wrong", 20

HEADINGS = {
    Phase.STARTING: "starting",
    Phase.RUNNING: "running",
    Phase.STOPPING: "ending",
    Phase.STOPPED: "ended",
    Phase.FAILED: "could not start",
}


def duration(seconds: float) -> str:
    """A time span in its two largest units, as `3 d 4 h`; seconds below a minute."""
    left = max(0, int(seconds))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    words: list[str] = []
    for name, size in units:
        count, left = divmod(left, size)
        if count or words or name == "s":
            words.append(f"{count} {name}")
    return " ".join(words[:2])


def uptime(part: PartStatus, now: float) -> str:
    """How long the present process has run; empty when there is none."""
    return duration(now - part.since) if part.pid is not None and part.since is not None else ""


def trouble(part: PartStatus) -> str:
    """What the last check found wrong, when that matters to people."""
    return "" if part.state in (PartState.HEALTHY, PartState.STOPPED) else part.health


def parts_table(state: StackState, width: int | None = None) -> Table:
    """One line a part. What does not fit into `width` is left out: restarts and pid, then for how long a part runs."""
    for left_out in ((), ("pid", "restarts"), ("pid", "restarts", "up for")):
        table = _table(state, left_out)
        if width is None or _needed(table) <= width:
            break
    return table


def _needed(table: Table) -> int:
    """The width at which no column but `what is wrong` is cut or broken."""
    console = Console(width=1_000_000)
    total = 0
    for column in table.columns:
        widest = max(console.measure(cell).maximum for cell in (column.header, *column.cells))
        total += min(widest, _LEAST_TROUBLE) if column.header == _TROUBLE else widest
    return total + 2 * (len(table.columns) - 1)


def _table(state: StackState, left_out: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("part", "state", "address"):
        table.add_column(heading, no_wrap=True)
    now = time.time()
    more: dict[str, Callable[[PartStatus], str]] = {
        "pid": lambda part: str(part.pid or ""),
        "restarts": lambda part: str(part.restarts),
        "up for": lambda part: uptime(part, now),
    }
    more = {heading: text for heading, text in more.items() if heading not in left_out}
    for heading in more:
        table.add_column(heading, justify="left" if heading == "up for" else "right", no_wrap=True)
    troubled = {part.name: part.health for part in state.parts if trouble(part)}
    if troubled:
        table.add_column(_TROUBLE, overflow="fold")
    for part in state.parts:
        table.add_row(
            part.name,
            Text(part.state.value, style=COLOURS[part.state]),
            part.address,
            *(text(part) for text in more.values()),
            *([troubled.get(part.name, "")] if troubled else []),
        )
    return table


def part_line(part: PartStatus) -> str:
    """One part in one plain line, for logs and pipes."""
    where = f" at {part.address}" if part.state is PartState.HEALTHY and part.address else ""
    wrong = part.state in (PartState.UNHEALTHY, PartState.RESTARTING) and part.health
    return f"{part.name}: {part.state.value}{where}{f' ({part.health})' if wrong else ''}"
