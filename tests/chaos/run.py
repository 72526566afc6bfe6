"""One scenario's run: its corner of the servers, its services and devices, the faults done to them, and the verdict."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.kafka import topic_name
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.registry import Sensor, Snapshot
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.topics import load_topics
from sinks.clickhouse import connect, query
from sinks.migrate import migrate
from tests.chaos.devices import Devices, HttpDevices, MqttDevices
from tests.chaos.ledger import KIND, Ledger
from tests.chaos.logs import lag
from tests.chaos.oracle import KINDS, Verdict, judge_everything, stored_readings
from tests.chaos.proxy import Proxy
from tests.chaos.servers import Server, Servers, own_broker, state_of
from tests.integration.gateways import Service, free_port, settings_of
from tests.stack import wait_until

READINGS = f"readings.{KIND}"
PROCESSOR = f"processor --kinds {KIND}"
STORED_TOPICS = (READINGS, "readings.rejected", "signals", "alerts")

Say = Callable[[str], None]


class NotInjectedError(AssertionError):
    """A fault that a scenario is about did not happen, so that its row would prove nothing."""


@dataclass
class Fault:
    """What was done, and how often it was seen to have happened."""

    what: str
    times: int = 0


@dataclass
class Pace:
    """How large and long a scenario is: the short selection takes the small one."""

    seconds: float
    """Of load around a fault."""
    rate: float
    times: int
    """Of a fault that is repeated."""
    away_s: float
    """How long a server is away."""


SHORT = Pace(seconds=4, rate=200, times=4, away_s=8)
FULL = Pace(seconds=8, rate=400, times=20, away_s=120)


@dataclass
class Run:
    """Lives for one scenario. Everything that it starts ends with it."""

    servers: Servers
    folder: Path
    pace: Pace
    say: Say = lambda _: None
    mutation: str = ""
    sensors: int = 60
    partitions: int = 2
    id: str = ""
    settings_more: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.faults: dict[str, Fault] = {}
        self.recovery_s: float | None = None
        self.notes: list[str] = []
        self.unanswered = 0
        self._cleanup = contextlib.ExitStack()
        self._services: dict[str, Service] = {}
        self._starts: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._log_began: dict[str, int] = {}
        self._devices: list[Devices] = []
        self.broker = own_broker(self.folder / "broker")
        self.environment: dict[str, str] = {
            **self.servers.environment,
            **self.broker.part.offers(),
            "RISKSTREAM_TOPIC_PREFIX": f"{self.id}.",
            "RISKSTREAM_CLICKHOUSE_DATABASE": self.id,
            "RISKSTREAM_MQTT_CLIENT_ID": self.id,
            "RISKSTREAM_PARTITIONS": str(self.partitions),
            "RISKSTREAM_CHECKPOINT_S": "0.5",
            "RISKSTREAM_TICK_S": "5",
            "RISKSTREAM_SINK_FLUSH_MS": "200",
            "RISKSTREAM_KAFKA_SESSION_TIMEOUT_MS": "6000",
            **self.settings_more,
        }
        self.settings: Settings = settings_of(self.environment)
        self.registered = {
            name: Sensor(name, KIND, name, "city/north/mill/row/g1", "gas")
            for name in (f"gc-{number:04}" for number in range(self.sensors))
        }
        self.ledger = Ledger(list(self.registered))

    def __enter__(self) -> Run:
        self._cleanup.callback(self.broker.stop)
        self._cleanup.callback(self._drop)
        self.broker.start()
        client = connect(self.settings, database="default")
        query(client, f"CREATE DATABASE IF NOT EXISTS {self.id}")
        client.disconnect()
        make_topics(self.settings, plan(self.settings, load_topics(KINDS, load_departments()).values()))
        migrate(self.settings, KINDS)
        rows = {
            SENSORS_TOPIC: Difference(len(self.registered), 0, 0, dict(self.registered)),
            ASSETS_TOPIC: Difference(0, 0, 0, {}),
        }
        publish(self.settings, lambda _: rows, author="chaos")
        return self

    def __exit__(self, *_: object) -> None:
        for devices in self._devices:
            with contextlib.suppress(Exception):
                devices.stop(0)
        for service in self._services.values():
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()
        self._cleanup.close()

    def _drop(self) -> None:
        from confluent_kafka.admin import AdminClient

        with contextlib.suppress(Exception):
            client = connect(self.settings, database="default")
            query(client, f"DROP DATABASE IF EXISTS {self.id} SYNC")
            client.disconnect()
        with contextlib.suppress(Exception):
            admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap})
            names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(f"{self.id}.")]
            for future in (admin.delete_topics(names) if names else {}).values():
                future.result(30)

    # services

    def start(self, command: str, name: str = "", ready: bool = True, **settings: str) -> Service:
        """Start a service, or start it again as it was; `settings` are without RISKSTREAM_."""
        name = name or command.split()[0]
        if name in self._starts and not settings:
            command, settings = self._starts[name][0], dict(self._starts[name][1])
        self._starts[name] = (command, settings)
        metrics_port, http_port = free_port(), free_port()
        if name in self._services:
            http_port = self._services[name].http_port
        own = {
            "RISKSTREAM_INSTANCE": f"{self.id}-{name}",
            "RISKSTREAM_METRICS_PORT": str(metrics_port),
            "RISKSTREAM_HTTP_PORT": str(http_port),
            **{f"RISKSTREAM_{key}": value for key, value in settings.items()},
        }
        program = ["tests.chaos.mutated", self.mutation] if self.mutation else ["riskstream"]
        base = {key: value for key, value in os.environ.items() if not key.startswith("RISKSTREAM_")}
        log = self.folder / f"{name}.log"
        self._log_began[name] = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *program, *command.split()],
                env={**base, **self.environment, **own}, stdout=output, stderr=output,
            )  # fmt: skip
        service = self._services[name] = Service(process, metrics_port, http_port, log)
        if ready:
            service.wait_ready()
        return service

    def start_pipeline(self, *commands: str) -> None:
        """Start services side by side and wait until all are ready; by default those that every reading needs."""
        chosen = commands or ("mqtt-gateway", "http-gateway", PROCESSOR, "lifecycle", "sink")
        for command in chosen:
            self.start(command, ready=False)
        for command in chosen:
            self._services[command.split()[0]].wait_ready()

    def service(self, name: str) -> Service:
        return self._services[name]

    def kill(self, name: str) -> None:
        """SIGKILL, and see that it was that."""
        process = self._services[name].process
        if process.poll() is not None:
            raise NotInjectedError(f"{name} had ended before the kill ({process.returncode}): {self.tail(name)}")
        process.send_signal(signal.SIGKILL)
        if process.wait(20) != -signal.SIGKILL:
            raise NotInjectedError(f"{name} did not die of the kill ({process.returncode})")
        self.injected(f"kill −9 of {name}")

    def freeze(self, name: str) -> None:
        pid = self._services[name].process.pid
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: state_of(pid) == "T", f"{name} stands still")
        self.injected(f"{name} stopped (SIGSTOP)")

    def thaw(self, name: str) -> None:
        os.kill(self._services[name].process.pid, signal.SIGCONT)

    def end(self, name: str) -> None:
        """SIGTERM; it must end by itself, with 0."""
        code = self._services[name].stop()
        if code != 0:
            self.notes.append(f"{name} ended with {code}: {self.tail(name)}")
            raise AssertionError(self.notes[-1])

    def tail(self, name: str) -> str:
        return self._services[name].log.read_text(errors="replace")[-1500:]

    def since_start(self, name: str) -> str:
        """What a service has logged since it was started last."""
        return self._services[name].log.read_bytes()[self._log_began[name] :].decode(errors="replace")

    def lag_of_processor(self) -> int:
        """Readings records that are not acknowledged by a checkpoint yet."""
        return lag(self.settings, f"processor-{KIND}", (READINGS,))

    def proxy(self, target: int) -> Proxy:
        return self._cleanup.enter_context(Proxy(target))

    # devices

    def mqtt_devices(self, rate: float = 0.0, port: int = 0, sensors: Sequence[str] = ()) -> MqttDevices:
        devices = MqttDevices(
            self.ledger,
            port or self.broker.part.port,
            sensors or self.ledger.sensors[0::2],
            rate or self.pace.rate / 2,  # type: ignore[attr-defined]
        )
        return self._begin(devices)

    def http_devices(self, rate: float = 0.0, port: int = 0, sensors: Sequence[str] = (), **more: Any) -> HttpDevices:
        devices = HttpDevices(
            self.ledger, port or self._services["http-gateway"].http_port, sensors or self.ledger.sensors[1::2],
            rate or self.pace.rate / 2, **more,
        )  # fmt: skip
        return self._begin(devices)

    def _begin(self, devices: Any) -> Any:
        self._devices.append(devices)
        devices.start()
        return devices

    def load(self, seconds: float | None = None) -> None:
        """Let the devices go on for so long, and see that some are acknowledged."""
        time.sleep(self.pace.seconds if seconds is None else seconds)

    def stop_devices(self, wait_s: float = 60) -> None:
        """No more readings; those without an acknowledgement are left when this returns."""
        for devices in self._devices:
            devices.rate = max(devices.rate, 1)
        self.unanswered = sum(devices.stop(wait_s) for devices in self._devices)
        self._devices = []

    # faults

    def injected(self, what: str, times: int = 1) -> None:
        """Say that a fault was seen to happen."""
        self.faults.setdefault(what, Fault(what)).times += times
        self.say(f"  {what}")

    def require(self, happened: object, what: str, times: int = 1) -> None:
        """A fault, if it was seen. Raises NotInjectedError."""
        if not happened:
            raise NotInjectedError(f"not injected: {what}")
        self.injected(what, times)

    def recovering(self, timeout_s: float = 120) -> None:
        """From the end of a fault: wait until all that is acknowledged now is stored, and note how long that took."""
        began = time.monotonic()
        wanted = self.ledger.snapshot()
        wait_until(lambda: self.stored() >= wanted, "what was acknowledged is stored", timeout_s)
        self.recovery_s = max(self.recovery_s or 0.0, time.monotonic() - began)

    def stored(self) -> set[tuple[str, int]]:
        """Keys of what is stored; empty while ClickHouse does not answer."""
        try:
            return set(stored_readings(self.settings))
        except Exception:
            time.sleep(0.2)
            return set()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        client = connect(self.settings)
        try:
            return query(client, sql)
        finally:
            client.disconnect()

    def topic(self, name: str) -> str:
        return topic_name(self.settings, name)

    # the end

    def verdict(self) -> Verdict:
        """Stop the devices, let everything come to rest, and ask the oracle."""
        self.stop_devices()
        self.say("  coming to rest")
        self.settle()
        for name in [name for name, service in self._services.items() if service.process.poll() is None]:
            self.end(name)
        return judge_everything(self.settings, self.ledger, {1: Snapshot(1, self.registered, {})})

    def settle(self, timeout_s: float = 150) -> None:
        """Wait until the groups have committed all that is in the log, each after what it feeds on.

        What does not come to rest in time is left to the oracle, with a note.
        """
        groups: list[tuple[str, tuple[str, ...]]] = [
            (f"processor-{KIND}", (READINGS,)), ("lifecycle", ("signals",)), ("sink", STORED_TOPICS),
        ]  # fmt: skip
        for group, topics in groups:
            try:
                wait_until(lambda g=group, t=topics: lag(self.settings, g, t) <= 0, f"{group} is through", timeout_s)  # type: ignore[misc]
            except AssertionError:
                self.notes.append(f"{group} has not read everything: {lag(self.settings, group, topics)} records left")


__all__ = ["FULL", "SHORT", "Fault", "NotInjectedError", "Pace", "Run", "Server"]
