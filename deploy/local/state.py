"""What runs in a data folder: written by its supervisor, read by every other command."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

STATE_FILE = "state.json"


class PartState(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"  # its turn to start has not come
    STARTING = "starting"  # the process runs and has not answered yet
    HEALTHY = "healthy"  # its last check was answered well
    UNHEALTHY = "unhealthy"  # it was healthy before, and its last check failed
    RESTARTING = "restarting"  # it ended; a new process comes after the back-off
    STOPPING = "stopping"  # asked to end
    STOPPED = "stopped"  # ended as asked


class Phase(StrEnum):
    """Where the stack as a whole is."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"  # the start was given up; `reason` says why


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told apart from a later one of that number by its start time (ticks) and the boot."""

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """The identity of a running process; None when there is none, or one that only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold anything
    if fields[0] in ("Z", "X"):
        return None
    return Identity(pid=pid, started=int(fields[19]), boot=boot)


@dataclass(slots=True)
class PartStatus:
    """One row of `riskstream status`."""

    name: str
    address: str
    state: PartState = PartState.WAITING
    pid: int | None = None
    health: str = ""  # what the last check found wrong
    restarts: int = 0
    since: float | None = None  # UTC epoch seconds at which the present process started


@dataclass(slots=True)
class StackState:
    """The whole of `state.json`."""

    supervisor: Identity
    phase: Phase
    parts: list[PartStatus]
    environment: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    updated_at: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.phase is Phase.RUNNING and all(part.state is PartState.HEALTHY for part in self.parts)

    @property
    def alive(self) -> bool:
        """Whether its supervisor still runs."""
        return self.phase not in (Phase.STOPPED, Phase.FAILED) and self.supervisor.alive()


def write_state(folder: Path, state: StackState) -> None:
    """Replace the state file in one step, readable by its owner only (the environment may hold secrets)."""
    state.updated_at = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{STATE_FILE}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(asdict(state), stream, indent=2)
    fresh.replace(folder / STATE_FILE)


def read_state(folder: Path) -> StackState | None:
    """The last state written in a folder, whether or not its supervisor still runs; None when there is none.

    A file that cannot be read (from another version) counts as none.
    """
    try:
        data = json.loads((folder / STATE_FILE).read_text())
        return StackState(
            supervisor=Identity(**data["supervisor"]),
            phase=Phase(data["phase"]),
            parts=[PartStatus(**{**part, "state": PartState(part["state"])}) for part in data["parts"]],
            environment=dict(data["environment"]),
            reason=data["reason"],
            updated_at=data["updated_at"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running_state(folder: Path) -> StackState | None:
    """The state of the stack that runs in a folder now; None when none runs (a stale file is recognised)."""
    state = read_state(folder)
    return state if state is not None and state.alive else None


def stack_environment(folder: Path) -> Mapping[str, str]:
    """The `RISKSTREAM_…` variables with which clients reach the stack in a folder; empty when none runs."""
    state = running_state(folder)
    return state.environment if state is not None else {}
