"""Starts the parts of a stack in order, keeps them running, and ends them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from deploy.local.child import GUARD, Child, describe_exit
from deploy.local.part import Part
from deploy.local.state import Identity, PartState, Phase, StackState, identify, write_state


class StartError(Exception):
    """The stack could not be started; the message says which part, why, and where its log is."""


class AlreadyRunningError(StartError):
    """Another supervisor holds the folder."""


def tail(log: Path, lines: int = 12, since: int = 0) -> str:
    """The last lines of a log, indented, for an error message; none from before the byte `since`."""
    if not log.is_file():
        return ""
    size = log.stat().st_size
    with log.open("rb") as stream:
        # a log that is shorter now was cut meanwhile
        stream.seek(max(since if since <= size else 0, size - 8_000))
        text = stream.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


class Supervisor:
    """Runs stages of parts in one data folder.

    Each stage is started when all parts of the one before are healthy; `between` is a command that must
    succeed before the last stage (migrations). `on_change` is called after each change of `state`.
    """

    tries_at_start = 3

    def __init__(
        self,
        folder: Path,
        stages: Sequence[Sequence[Part]],
        between: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        on_change: Callable[[StackState], None] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self._between = between
        self._on_change = on_change
        self._stop = asyncio.Event()
        self._stages: list[list[Child]] = []
        offers: dict[str, str] = dict(environment or {})
        for stage in stages:
            for part in stage:
                offers.update(part.offers())
        for stage in stages:
            self._stages.append([Child(part, self.logs / f"{part.name}.log", offers, self._changed) for part in stage])
        me = identify(os.getpid())
        if me is None:
            raise StartError("the local stack needs Linux: it reads /proc")
        statuses = [child.status for stage in self._stages for child in stage]
        self.state = StackState(me, Phase.STARTING, statuses, offers)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def request_stop(self) -> None:
        """Begin to end everything; a second call cuts the grace periods short. For signal handlers."""
        if self._stop.is_set():
            for stage in self._stages:
                for child in stage:
                    child.kill()
        self._stop.set()

    async def run(self, owner: Identity | None = None) -> None:
        """Run until `request_stop`, or until the process `owner` ends.

        Raises AlreadyRunningError when another supervisor holds the folder, StartError when a part does not
        become healthy; all that was started has ended then.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self._lock(stack)
            if owner is not None:
                self._follow(owner, stack)
            failure: StartError | None = None
            try:
                await self._start()
                if not self._stop.is_set():
                    self._phase(Phase.RUNNING)
                    await self._stop.wait()
            except StartError as error:
                failure = error
                self._stop.set()
            finally:
                self._phase(Phase.STOPPING)
                await self._end()
            if failure is not None:
                self.state.reason = str(failure)
                self._phase(Phase.FAILED)
                raise failure
            self._phase(Phase.STOPPED)

    def _lock(self, stack: contextlib.ExitStack) -> None:
        handle: IO[str] = stack.enter_context((self.folder / "lock").open("w"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(f"a stack already runs in {self.folder} (see `riskstream status`)") from error

    def _follow(self, owner: Identity, stack: contextlib.ExitStack) -> None:
        """End when the owner does."""
        try:
            descriptor = os.pidfd_open(owner.pid)
        except OSError:
            self._stop.set()
            return
        stack.callback(os.close, descriptor)
        if not owner.alive():
            self._stop.set()
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._stop.set)
        stack.callback(loop.remove_reader, descriptor)

    async def _start(self) -> None:
        self._changed()
        for number, stage in enumerate(self._stages):
            if number == len(self._stages) - 1 and self._between is not None and not self._stop.is_set():
                await self._run_between(self._between)
            if self._stop.is_set():
                return
            for child in stage:
                self._tasks[child.part.name] = asyncio.create_task(child.run(), name=child.part.name)
            await asyncio.gather(*(self._wait_healthy(child) for child in stage))

    async def _wait_healthy(self, child: Child) -> None:
        deadline = time.monotonic() + child.part.start_timeout_s
        while not child.was_healthy and not self._stop.is_set():
            if child.status.restarts >= self.tries_at_start:
                raise StartError(
                    f"{child.part.name} does not start ({child.status.health}); its log {child.log} ends:\n"
                    f"{tail(child.log, since=child.log_began)}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"{child.part.name} did not become healthy within {child.part.start_timeout_s:.0f} s "
                    f"({child.status.health}); its log {child.log} ends:\n"
                    f"{tail(child.log, since=child.log_began)}"
                )
            await asyncio.sleep(0.05)

    async def _run_between(self, argv: Sequence[str]) -> None:
        """Run the command to its end; on `request_stop` it is ended."""
        log = self.logs / "migrate.log"
        began = log.stat().st_size if log.is_file() else 0
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *[argv[0], "-S", "-E", str(GUARD), str(os.getpid()), *argv],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.state.environment},
                start_new_session=True,
            )
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not exited.done():
            process.terminate()
            await exited
        elif (code := exited.result()) != 0:
            raise StartError(
                f"`riskstream migrate` failed ({describe_exit(code)}); its log {log} ends:\n{tail(log, since=began)}"
            )

    async def _end(self) -> None:
        for stage in reversed(self._stages):
            running = [child for child in stage if child.part.name in self._tasks]
            for child in running:
                child.stop()
            for child in running:
                await self._tasks[child.part.name]
            for child in stage:
                child.status.state = PartState.STOPPED

    def _phase(self, phase: Phase) -> None:
        self.state.phase = phase
        self._changed()

    def _changed(self) -> None:
        write_state(self.folder, self.state)
        if self._on_change is not None:
            self._on_change(self.state)
