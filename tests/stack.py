"""The real Kafka, Mosquitto and ClickHouse for tests: one stack a test run, a space of its own for each test.

The first test that asks starts the servers; all pytest-xdist workers share them. The servers' supervisor
follows the main pytest process, so they end with it even when that is killed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from deploy.local.child import GUARD
from deploy.local.mosquitto import Mosquitto
from deploy.local.ports import Ports
from deploy.local.run import start_detached, stop_stack
from deploy.local.stack import StackOptions
from deploy.local.state import identify, running_state

T = TypeVar("T")

SERVERS = ("kafka", "mosquitto", "clickhouse")

# set by the main pytest process, inherited by its xdist workers
FOLDER_VARIABLE = "STACK_TEST_FOLDER"
OWNER_VARIABLE = "STACK_TEST_OWNER"


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of the servers, which all tests of a run share."""

    folder: Path
    environment: Mapping[str, str]  # the `RISKSTREAM_…` variables

    @property
    def kafka_bootstrap(self) -> str:
        return self.environment["RISKSTREAM_KAFKA_BOOTSTRAP"]

    @property
    def mqtt_port(self) -> int:
        return int(self.environment["RISKSTREAM_MQTT_PORT"])

    @property
    def clickhouse_port(self) -> int:
        return int(self.environment["RISKSTREAM_CLICKHOUSE_PORT"])

    @property
    def clickhouse_http_port(self) -> int:
        return int(self.environment["RISKSTREAM_CLICKHOUSE_HTTP_PORT"])


@dataclass(frozen=True, slots=True)
class Space:
    """A test's own corner of the shared servers: nothing in it is seen by another test."""

    stack: Stack
    id: str  # letters, digits and _; fit for topics, databases, MQTT client ids and sensor ids

    @property
    def topic_prefix(self) -> str:
        return f"{self.id}."

    @property
    def database(self) -> str:
        """Made for the test, and dropped after it."""
        return self.id

    @property
    def environment(self) -> dict[str, str]:
        """All `RISKSTREAM_…` variables that a service needs to work in this space only."""
        return {
            **self.stack.environment,
            "RISKSTREAM_TOPIC_PREFIX": self.topic_prefix,
            "RISKSTREAM_CLICKHOUSE_DATABASE": self.database,
            "RISKSTREAM_MQTT_CLIENT_ID": self.id,
            "RISKSTREAM_INSTANCE": self.id,
        }


def prepare_run() -> None:
    """In the main pytest process, before its workers start: name the folder of the run's stack."""
    if FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="riskstream-tests-")
        os.environ[OWNER_VARIABLE] = str(os.getpid())


def finish_run() -> None:
    """In the main pytest process, after its workers: end the stack if a test started one, and remove its data."""
    if os.environ.get(OWNER_VARIABLE) == str(os.getpid()):
        folder = Path(os.environ.pop(FOLDER_VARIABLE))
        del os.environ[OWNER_VARIABLE]
        stop_stack(folder)
        shutil.rmtree(folder, ignore_errors=True)


def shared_stack() -> Stack:
    """The run's stack, started now by the first worker that asks.

    Raises what `start_detached` raises: a missing download names `make setup`.
    """
    folder = Path(os.environ[FOLDER_VARIABLE])
    with (folder / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = running_state(folder)
        if state is None:
            owner = identify(int(os.environ[OWNER_VARIABLE]))
            state = start_detached(StackOptions(folder, SERVERS, well_known=False), owner=owner)
    return Stack(folder, state.environment)


@contextmanager
def own_space(stack: Stack, test_name: str) -> Iterator[Space]:
    """A new space on the shared servers; its database and topics are removed afterwards."""
    from clickhouse_driver import Client
    from clickhouse_driver.errors import NetworkError
    from confluent_kafka.admin import AdminClient

    name = re.sub(r"\W+", "_", test_name, flags=re.ASCII).strip("_")[:30].lower()
    space = Space(stack, f"t_{name}_{secrets.token_hex(4)}")
    client = Client("127.0.0.1", port=stack.clickhouse_port)

    def answered(sql: str) -> bool:
        # the supervisor restarts an engine that ended under another test
        try:
            client.execute(sql)
        except (NetworkError, EOFError):
            client.disconnect()
            return False
        return True

    wait_until(lambda: answered(f"CREATE DATABASE IF NOT EXISTS {space.database}"), "a database of the test's own")
    try:
        yield space
    finally:
        wait_until(lambda: answered(f"DROP DATABASE IF EXISTS {space.database} SYNC"), "the database is dropped")
        client.disconnect()
        admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
        topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(space.topic_prefix)]
        for future in (admin.delete_topics(topics) if topics else {}).values():
            future.result(30)


class Broker:
    """A Mosquitto of the test's own, for tests that subscribe to all readings or that end the broker.

    Starts in about 0.1 s. `kill` and `start` keep its data and port.
    """

    def __init__(self, folder: Path) -> None:
        self._part = Mosquitto(folder, Ports(folder, well_known=False))
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._part.port

    @property
    def environment(self) -> Mapping[str, str]:
        return self._part.offers()

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._part.prepare()
        guarded = [sys.executable, "-S", "-E", str(GUARD), str(os.getpid()), *self._part.command()]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(guarded, stdout=output, stderr=output)
        wait_until(lambda: self._part.check() is None, "Mosquitto accepts connections")

    def kill(self) -> None:
        """Send SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it cleanly."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 30.0) -> T:
    """The first true value of `condition()`; fails the test when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
