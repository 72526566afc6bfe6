"""Real gateways for tests: registered sensors, the process itself, and what it published."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.kafka import topic_name
from runtime.settings import Settings
from schemas.batch import Batch, BatchCodec
from schemas.departments import load_departments
from schemas.kinds import Kind, load_kinds
from schemas.records import Rejected
from schemas.registry import Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.topics import load_topics
from tests.stack import Space, wait_until

KINDS = load_kinds()


def settings_of(environment: Mapping[str, str]) -> Settings:
    return Settings(**{name.removeprefix("RISKSTREAM_").lower(): value for name, value in environment.items()})


def make_ready(settings: Settings, sensors: Mapping[str, str], partitions: int = 4) -> None:
    """Make the topics that gateways need, and register the sensors (id to kind)."""
    topics = load_topics(KINDS, load_departments())
    needed = [t for name, t in topics.items() if name.startswith(("readings.", "registry.", "events"))]
    make_topics(settings.model_copy(update={"partitions": partitions}), plan(settings, needed))
    register(settings, sensors)


def register(settings: Settings, sensors: Mapping[str, str]) -> None:
    rows = {
        name: Sensor(name, kind, name, "city/district/street/community/grid", "gas") for name, kind in sensors.items()
    }
    sensors_change = Difference(len(rows), 0, 0, rows)
    nothing = Difference(0, 0, 0, {})
    publish(settings, lambda _: {SENSORS_TOPIC: sensors_change, ASSETS_TOPIC: nothing}, author="test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A running `riskstream <command>`."""

    process: subprocess.Popen[bytes]
    metrics_port: int
    http_port: int
    log: Path

    def health(self, path: str) -> tuple[int, str]:
        """Status and text of /healthz, /readyz or /metrics; status 0 while there is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.health("/readyz")[0] == 200

        wait_until(ready, f"readiness, but: {self.health('/readyz')}", 40)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.health("/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in labels.items()):
                total += float(value)
        return total

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(command: str, environment: Mapping[str, str], folder: Path) -> Iterator[Service]:
    """A `riskstream <command and its options>` with these settings; killed at the end if it still runs."""
    metrics_port, http_port = free_port(), free_port()
    log = folder / f"{command.split()[0]}.log"
    own = {"RISKSTREAM_METRICS_PORT": str(metrics_port), "RISKSTREAM_HTTP_PORT": str(http_port)}
    base = {name: value for name, value in os.environ.items() if not name.startswith("RISKSTREAM_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "riskstream", *command.split()],
            env={**base, **own, **environment},
            stdout=output,
            stderr=output,
        )
    service = Service(process, metrics_port, http_port, log)
    try:
        yield service
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@dataclass
class Published:
    """What stands in the readings topics and in readings.rejected."""

    batches: list[Batch] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rejected_headers: list[dict[str, bytes]] = field(default_factory=list)

    @property
    def readings(self) -> list[tuple[str, int, dict[str, float]]]:
        """(sensor, time, values that were measured) of each reading."""
        found = []
        for batch in self.batches:
            for i in range(len(batch)):
                values = {k: float(v[i]) for k, v in batch.values.items() if v[i] == v[i]}
                found.append((batch.sensor_ids[batch.sensor[i]], int(batch.observed_at[i]), values))
        return found


def published(settings: Settings, kinds: Mapping[str, Kind] = KINDS) -> Published:
    """Everything in the topics up to their present end."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_bootstrap, "group.id": "unused", "enable.partition.eof": True}
    )
    codec = BatchCodec(kinds)
    rejected_topic = topic_name(settings, "readings.rejected")
    names = {topic_name(settings, kind.topic) for kind in kinds.values()} | {rejected_topic}
    present: Any = consumer.list_topics(timeout=10).topics
    places = [TopicPartition(name, p, 0) for name in names & present.keys() for p in present[name].partitions]
    result = Published()
    consumer.assign(places)
    try:
        left = len(places)
        while left:
            message = consumer.poll(10)
            assert message is not None
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                left -= 1
            elif message.topic() == rejected_topic:
                result.rejected.append(Rejected.decode(message.value()))
                result.rejected_headers.append(dict(message.headers() or []))
            else:
                result.batches.append(codec.decode(message.value()))
    finally:
        consumer.close()
    return result


def http_environment(space: Space, **more: str) -> dict[str, str]:
    return {**space.environment, **{f"RISKSTREAM_{name}": value for name, value in more.items()}}
