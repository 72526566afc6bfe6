"""A part kept running, with small programs as parts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.child import Child, describe_exit
from deploy.local.part import Part
from deploy.local.state import PartState

STAYS = "import signal; signal.pause()"
IGNORES_TERM = (
    "import signal, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path('{ready}').touch(); signal.pause()"
)


class Program(Part):
    """A Python program whose health the test decides."""

    name = "program"
    stop_grace_s = 0.2

    def __init__(self, code: str, check: Callable[[], str | None] = lambda: None) -> None:
        self._code = code
        self._check = check

    def prepare(self) -> None:
        """Nothing to write."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", self._code]

    def address(self) -> str:
        return ""

    def check(self) -> str | None:
        return self._check()


def make(part: Part, folder: Path) -> Child:
    child = Child(part, folder / "program.log", {}, lambda: None)
    child.first_delay_s = 0.01
    child._delay_s = 0.01
    return child


@asynccontextmanager
async def running(child: Child) -> AsyncIterator[None]:
    task = asyncio.create_task(child.run())
    yield
    child.stop()
    await asyncio.wait_for(task, 20)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  the condition is about another process
            await asyncio.sleep(0.01)


def test_a_program_that_ends_is_started_again_after_longer_and_longer_waits(tmp_path: Path) -> None:
    child = make(Program("print('hello', flush=True); raise SystemExit(3)"), tmp_path)

    async def scenario() -> None:
        async with running(child):
            await until(lambda: child.status.restarts >= 3)

    asyncio.run(scenario())
    log = (tmp_path / "program.log").read_text()
    assert log.count("hello") >= 3
    assert "program ended with exit code 3" in log
    assert child._delay_s >= 0.08
    assert child.status.state is PartState.STOPPED


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace_period(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    part = Program(IGNORES_TERM.format(ready=ready), lambda: None if ready.exists() else "not yet")
    child = make(part, tmp_path)

    async def scenario() -> None:
        async with running(child):
            await until(lambda: child.was_healthy)

    asyncio.run(scenario())
    assert child.last_exit == -9
    assert "did not end within" in (tmp_path / "program.log").read_text()


def test_a_program_that_does_not_answer_any_more_is_replaced(tmp_path: Path) -> None:
    child = make(Program(STAYS, lambda: None if child.status.restarts else "silent"), tmp_path)
    child.unresponsive_after_s = 0.1

    async def scenario() -> None:
        async with running(child):
            await until(lambda: child.was_healthy)

    asyncio.run(scenario())
    assert child.status.restarts == 1
    assert "has not answered" in (tmp_path / "program.log").read_text()


def test_a_check_that_raises_counts_as_not_healthy(tmp_path: Path) -> None:
    def broken() -> str | None:
        raise ValueError("odd answer")

    child = make(Program(STAYS, broken), tmp_path)

    async def scenario() -> None:
        async with running(child):
            await until(lambda: child.status.health == "ValueError: odd answer")
            assert child.status.state is PartState.STARTING

    asyncio.run(scenario())


def test_what_a_part_started_itself_ends_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, pathlib, signal\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"pathlib.Path('{pid_file}').write_text(str(p.pid))\n"
        "signal.pause()"
    )
    child = make(Program(code), tmp_path)

    def written() -> bool:
        return pid_file.exists() and pid_file.read_text() != ""

    async def scenario() -> None:
        async with running(child):
            await until(written)
        await until(lambda: not alive(int(pid_file.read_text())))

    asyncio.run(scenario())


def alive(pid: int) -> bool:
    from deploy.local.state import identify

    return identify(pid) is not None


def test_a_long_log_is_cut_and_its_end_kept_beside(tmp_path: Path) -> None:
    child = make(Program("print('x' * 1000, flush=True); raise SystemExit(1)"), tmp_path)
    child.log_limit_bytes = 1500

    async def scenario() -> None:
        async with running(child):
            await until(lambda: (tmp_path / "program.log.1").exists())

    asyncio.run(scenario())
    assert (tmp_path / "program.log").stat().st_size < 3000


@pytest.mark.parametrize(
    ("code", "text"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal SIGKILL"), (-99, "signal 99")]
)
def test_exit_codes_as_people_read_them(code: int, text: str) -> None:
    assert describe_exit(code) == text
