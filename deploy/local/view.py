"""The parts of a stack for people to read."""

from __future__ import annotations

import time

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


def parts_table(state: StackState) -> Table:
    """One line a part."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("part", "state", "address"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pid", "restarts"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("up for", no_wrap=True)
    troubled = {part.name: part.health for part in state.parts if trouble(part)}
    if troubled:
        table.add_column("what is wrong", overflow="fold")
    now = time.time()
    for part in state.parts:
        table.add_row(
            part.name,
            Text(part.state.value, style=COLOURS[part.state]),
            part.address,
            str(part.pid or ""),
            str(part.restarts),
            uptime(part, now),
            *([troubled.get(part.name, "")] if troubled else []),
        )
    return table


def part_line(part: PartStatus) -> str:
    """One part in one plain line, for logs and pipes."""
    where = f" at {part.address}" if part.state is PartState.HEALTHY and part.address else ""
    wrong = part.state in (PartState.UNHEALTHY, PartState.RESTARTING) and part.health
    return f"{part.name}: {part.state.value}{where}{f' ({part.health})' if wrong else ''}"
