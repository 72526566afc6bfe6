"""What the tests of the sink share: settings of a space, a sink in a thread, batches and rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from confluent_kafka import Producer

from riskstream.kafka_topics import make_topics, plan
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.batch import Batch, Mode, encode_batch
from schemas.departments import load_departments
from schemas.kinds import Kind, load_kinds
from schemas.topics import load_topics
from sinks.clickhouse import ClickHouseAwayError, connect, query
from sinks.migrate import migrate
from sinks.sink import Sink
from tests.stack import Space, wait_until

START_MS = 1_700_000_000_000


def settings_of(space: Space, **changes: Any) -> Settings:
    """The settings that the space's environment gives, with changes."""
    names = {name.removeprefix("RISKSTREAM_").lower(): value for name, value in space.environment.items()}
    known = {name: value for name, value in names.items() if name in Settings.model_fields}
    return Settings(**{**known, "partitions": 2, "sink_flush_ms": 50, **changes})


def prepare(settings: Settings) -> dict[str, Kind]:
    """Make topics and tables; returns the kinds."""
    kinds = load_kinds(*settings.kinds_dirs)
    make_topics(settings, plan(settings, load_topics(kinds, load_departments()).values()))
    migrate(settings, kinds)
    return kinds


@contextmanager
def running_sink(settings: Settings, kinds: Mapping[str, Kind]) -> Iterator[Sink]:
    """A sink in a thread; it drains at the end."""
    sink = Sink(settings, kinds)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            sink.run(stop.is_set)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sink
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert not failures


def batch(kind: Kind, count: int, *, start_ms: int = START_MS, step_ms: int = 1000, **changes: Any) -> Batch:
    """`count` readings of two sensors in turn, one a step; the fields count up from the reading's number."""
    numbers = np.arange(count)
    values = {
        "kind": kind.name,
        "gateway": "gateway-1",
        "source": "mqtt",
        "mode": Mode.LIVE,
        "run_id": "",
        "received_at": start_ms + count * step_ms,
        "sensor_ids": ["sensor-a", "sensor-b"],
        "sensor": (numbers % 2).astype(np.int32),
        "observed_at": start_ms + numbers * step_ms,
        "late": np.zeros(count, np.bool_),
        "values": {field.name: numbers + 0.5 for field in kind.fields},
    }
    return Batch(**{**values, **changes})


_producers: dict[str, Producer] = {}


def _producer(settings: Settings) -> Producer:
    # a new idempotent producer takes half a second to get its id
    if settings.kafka_bootstrap not in _producers:
        _producers[settings.kafka_bootstrap] = Producer(producer_config(settings))
    return _producers[settings.kafka_bootstrap]


def produce(settings: Settings, topic: str, values: list[bytes], partition: int = 0, **more: Any) -> None:
    """Returns when Kafka has all of them."""
    producer = _producer(settings)
    failures: list[Any] = []
    for value in values:
        producer.produce(
            topic_name(settings, topic),
            value,
            partition=partition,
            on_delivery=lambda error, _: failures.append(error) if error else None,
            **more,
        )
    assert producer.flush(30) == 0
    assert not failures


def produce_batches(settings: Settings, kind: Kind, batches: list[Batch], partition: int = 0) -> None:
    produce(settings, kind.topic, [encode_batch(kind, one) for one in batches], partition)


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query in the space's database; asks again while ClickHouse is away and comes back."""

    def answer() -> tuple[list[tuple[Any, ...]]] | None:
        client = connect(settings)
        try:
            return (query(client, sql),)
        except ClickHouseAwayError:
            return None
        finally:
            client.disconnect()

    found = wait_until(answer, "an answer of ClickHouse")
    assert found is not None
    return found[0]


def count(settings: Settings, table: str) -> int:
    return int(rows(settings, f"SELECT count() FROM {table}")[0][0])
