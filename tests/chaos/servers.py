"""Kafka, Mosquitto and ClickHouse of the suite's own, each a process that a scenario may kill, stop or freeze."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.child import GUARD
from deploy.local.clickhouse import ClickHouse
from deploy.local.kafka import Kafka
from deploy.local.mosquitto import Mosquitto
from deploy.local.part import Part
from deploy.local.ports import Ports
from tests.stack import wait_until


class Server:
    """A part of the local stack as a bare process: nobody starts it again but the scenario."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.part.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it and do not wait."""
        self.part.prepare()
        guarded = [sys.executable, "-S", "-E", str(GUARD), str(os.getpid()), *self.part.command()]
        environment = {**os.environ, **self.part.environment()}
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                guarded, stdout=output, stderr=output, env=environment, start_new_session=True
            )

    def wait_healthy(self) -> None:
        def healthy() -> bool:
            assert self.alive, f"{self.part.name} ended: {self._log.read_text(errors='replace')[-2000:]}"
            return self.part.check() is None

        wait_until(healthy, f"{self.part.name} answers", self.part.start_timeout_s)

    def start(self) -> float:
        """Start it and wait until it answers; returns the seconds that took."""
        began = time.monotonic()
        self.launch()
        self.wait_healthy()
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; what it has no time to write is lost."""
        assert self._process is not None
        self._process.kill()
        code = self._process.wait()
        assert code == -signal.SIGKILL, f"{self.part.name} had ended before ({code})"

    def stop(self) -> None:
        """End it cleanly, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self.part.request_stop(self._process.pid)
        try:
            self._process.wait(self.part.stop_grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", f"{self.part.name} stands still")

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    """The kernel's letter for a process: R, S, D, T (stopped), Z; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


class Servers:
    """The servers that scenarios share, one scenario after another. Each has topics and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        ports = Ports(folder, well_known=False)
        self.clickhouse_part = ClickHouse(folder, ports)
        self.kafka = Server(Kafka(folder, ports), folder / "kafka.log")
        self.clickhouse = Server(self.clickhouse_part, folder / "clickhouse.log")

    def start(self) -> None:
        """Start what does not run: a scenario may have left something dead."""
        missing = [server for server in (self.kafka, self.clickhouse) if not server.alive]
        for server in missing:
            server.launch()
        for server in missing:
            server.wait_healthy()

    def stop(self) -> None:
        for server in (self.clickhouse, self.kafka):
            server.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.kafka.part.offers(), **self.clickhouse.part.offers()}


def own_broker(folder: Path) -> Server:
    """A Mosquitto for one scenario: sessions of gateways outlive them, and would take the readings of the next."""
    folder.mkdir(parents=True, exist_ok=True)
    return Server(Mosquitto(folder, Ports(folder, well_known=False)), folder / "mosquitto.log")
