"""Runs a supervisor until it is told to end: in this terminal, or as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from deploy.local.configuration import check_configuration
from deploy.local.paths import NotInstalledError
from deploy.local.ports import PortError
from deploy.local.stack import StackOptions, UnknownPartError, has_services, make_supervisor
from deploy.local.state import Identity, Phase, StackState, read_state, running_state
from deploy.local.supervisor import AlreadyRunningError, StartError

# what can go wrong before or during the start, each with a message for the user
START_ERRORS = (StartError, NotInstalledError, PortError, UnknownPartError)


async def supervise(
    options: StackOptions,
    on_change: Callable[[StackState], None] | None = None,
    owner: Identity | None = None,
    *,
    checked: bool = False,
) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP, or until the process `owner` ends.

    A second signal cuts the grace periods short. Raises one of START_ERRORS; before anything is started where a
    setting or a file of the services is wrong (`checked`: this was looked at).
    """
    if has_services(options) and not checked:
        check_configuration()
    supervisor = make_supervisor(options, on_change)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.request_stop)
    await supervisor.run(owner)


def start_detached(
    options: StackOptions,
    owner: Identity | None = None,
    on_change: Callable[[StackState], None] | None = None,
) -> StackState:
    """Start the stack as a process of its own and wait until all parts are healthy.

    The process ends with `stop_stack`, or with `owner`. Raises StartError (AlreadyRunningError when one
    runs there already) with the reason that the new process gave.
    """
    if running_state(options.folder) is not None:
        raise AlreadyRunningError(f"a stack already runs in {options.folder} (see `riskstream status`)")
    if has_services(options):
        check_configuration()
    logs = options.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "supervisor.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.run", encode(options, owner)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while True:
        state = read_state(options.folder)
        if state is not None and state.supervisor.pid == process.pid:
            if on_change is not None:
                on_change(state)
            if state.phase is Phase.RUNNING:
                return state
        if process.poll() is not None:
            text = log.read_text(errors="replace").strip()
            raise StartError(text or f"the supervisor ended (exit code {process.returncode})")
        time.sleep(0.1)


def stop_stack(
    folder: Path,
    timeout_s: float = 90.0,
    on_change: Callable[[StackState], None] | None = None,
) -> bool:
    """End the stack that runs in a folder and wait until it has; False when none runs.

    After `timeout_s` the supervisor is killed, and the kernel kills its children with it.
    """
    state = running_state(folder)
    if state is None:
        return False
    supervisor = state.supervisor
    signal_process(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while supervisor.alive():
        if on_change is not None and (now := read_state(folder)) is not None:
            on_change(now)
        if time.monotonic() > deadline:
            signal_process(supervisor, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.05)
    return True


def signal_process(process: Identity, number: signal.Signals) -> None:
    """Send a signal to exactly this process; nothing happens when it has ended."""
    if process.alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def encode(options: StackOptions, owner: Identity | None) -> str:
    """Options as one argument of the detached process."""
    return json.dumps(
        {
            "options": {**asdict(options), "folder": str(options.folder.resolve())},
            "owner": asdict(owner) if owner else None,
        }
    )


def main(argument: str) -> int:
    """The detached process: its output is the reason for a failed start."""
    data = json.loads(argument)
    given = data["options"]
    options = StackOptions(**{**given, "folder": Path(given["folder"]), "only": tuple(given["only"])})
    owner = Identity(**data["owner"]) if data["owner"] else None
    try:
        asyncio.run(supervise(options, owner=owner, checked=True))
    except START_ERRORS as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
