"""One part, kept running: started, checked, restarted with back-off, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.part import Part
from deploy.local.state import PartState, PartStatus

GUARD = Path(__file__).with_name("guard.py")


class Child:
    """Runs one part until `stop`.

    A process that ends by itself is started again after 0.5 s, then twice as long each time up to 30 s;
    a process that was healthy for a minute starts the count anew. A running process whose check fails for
    `unresponsive_after_s` is ended and restarted, too. `on_change` is called after each change of `status`.
    """

    first_delay_s = 0.5
    longest_delay_s = 30.0
    settled_after_s = 60.0
    unresponsive_after_s = 120.0
    log_limit_bytes = 20_000_000

    def __init__(self, part: Part, log: Path, environment: Mapping[str, str], on_change: Callable[[], None]) -> None:
        self.part = part
        self.log = log
        self.log_began = log.stat().st_size if log.is_file() else 0
        self.status = PartStatus(part.name, part.address())
        self.was_healthy = False
        self.last_exit: int | None = None
        self._environment = environment
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._delay_s = self.first_delay_s

    def stop(self) -> None:
        """Ask `run` to end the process and return."""
        self._stopping.set()

    def kill(self) -> None:
        """Cut the grace period short."""
        self._stopping.set()
        self._hurry.set()

    async def run(self) -> None:
        """Keep the part running; returns after `stop`, when its process has ended."""
        while not self._stopping.is_set():
            process = await self._start()
            if process is not None:
                self.last_exit = await self._watch(process)
            if self._stopping.is_set():
                break
            await self._back_off()
        self._set(PartState.STOPPED, pid=None)

    async def _start(self) -> asyncio.subprocess.Process | None:
        self._set(PartState.STARTING, pid=None)
        try:
            await asyncio.to_thread(self.part.prepare)
            argv = [sys.executable, "-S", "-E", str(GUARD), str(os.getpid()), *self.part.command()]
        except Exception as error:  # whatever it is, it is this part's trouble and is shown as such
            self._note(f"{self.part.name} cannot be started: {error}")
            self.status.health = str(error)
            return None
        self._rotate()
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment, **self.part.environment()},
                start_new_session=True,  # the terminal's Ctrl-C is for the supervisor alone
            )
        self.status.since = time.time()
        self._set(PartState.STARTING, pid=process.pid)
        return process

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Check the process until it ends or is asked to; returns its exit code."""
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        healthy_since: float | None = None
        last_good = time.monotonic()
        interval = 0.1
        try:
            while True:
                await asyncio.wait({exited, stopping}, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
                if exited.done():
                    self._note(f"{self.part.name} ended with {describe_exit(exited.result())}")
                    self.status.health = f"ended with {describe_exit(exited.result())}"
                    return exited.result()
                if stopping.done():
                    return await self._end(process, exited)
                health = await asyncio.to_thread(self._check)
                now = time.monotonic()
                if health is None:
                    healthy_since = healthy_since or now
                    last_good = now
                    self.was_healthy = True
                    if now - healthy_since > self.settled_after_s:
                        self._delay_s = self.first_delay_s
                    self._set(PartState.HEALTHY, health="")
                elif healthy_since is None:
                    self._set(PartState.STARTING, health=health)
                else:
                    self._set(PartState.UNHEALTHY, health=health)
                if now - last_good > self.unresponsive_after_s:
                    self._note(f"{self.part.name} has not answered for {now - last_good:.0f} s: {health}")
                    return await self._end(process, exited)
                interval = 2.0 if health is None else min(interval * 1.2, 1.0)
                self._rotate()
        finally:
            stopping.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started itself and left behind

    def _check(self) -> str | None:
        try:
            return self.part.check()
        except Exception as error:  # a check that breaks must not end the watch over the part
            return f"{type(error).__name__}: {error}"

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> int:
        self._set(PartState.STOPPING)
        with contextlib.suppress(ProcessLookupError):
            await asyncio.to_thread(self.part.request_stop, process.pid)
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({exited, hurry}, timeout=self.part.stop_grace_s, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not exited.done():
            self._note(f"{self.part.name} did not end within {self.part.stop_grace_s:.0f} s: killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return await exited

    async def _back_off(self) -> None:
        self.status.restarts += 1
        self._set(PartState.RESTARTING, pid=None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._delay_s)
        self._delay_s = min(self._delay_s * 2, self.longest_delay_s)

    def _set(self, state: PartState, **changes: str | int | None) -> None:
        before = (self.status.state, self.status.pid, self.status.health)
        self.status.state = state
        if "pid" in changes:
            self.status.pid = changes["pid"]  # type: ignore[assignment]
        if "health" in changes:
            self.status.health = str(changes["health"])
        if before != (self.status.state, self.status.pid, self.status.health):
            self._on_change()

    def _note(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        with self.log.open("a") as output:
            output.write(f"{stamp} supervisor: {text}\n")

    def _rotate(self) -> None:
        """Keep one older log. The process appends to the same file, so it is copied and cut, not renamed."""
        if self.log.is_file() and self.log.stat().st_size > self.log_limit_bytes:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)


def describe_exit(code: int) -> str:
    """An exit code as people read it: negative ones are signals."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
