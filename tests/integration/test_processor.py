"""The processor and the lifecycle on the real Kafka: killed at any moment, they give what the log gives.

The oracle is the engine itself, run once over the readings topic as it stands in Kafka, from its first record.
"""

from __future__ import annotations

import dataclasses
import random
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.core.engine import Engine
from processors.ruleset import load_rules
from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.batch import Batch, BatchCodec, Mode, encode_batch
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.partition import partition_of
from schemas.records import Alert, Rejected, Signal
from schemas.registry import Sensor, Snapshot
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.topics import load_topics
from tests.integration.gateways import running, settings_of
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

KINDS = load_kinds()
KIND = KINDS["gas_pressure"]
PARTITIONS = 2
START_MS = 1_790_000_000_000
SENSORS = {
    name: Sensor(name, "gas_pressure", name, "city/north/mill/row/g1", "gas", profile="low-pressure",
                 attributes={"period_s": 10.0})
    for name in (f"gp-{n:02}" for n in range(40))
}  # fmt: skip


def prepare(space: Space) -> tuple[Settings, Mapping[str, str]]:
    environment = {**space.environment, "RISKSTREAM_CHECKPOINT_S": "0.3", "RISKSTREAM_KAFKA_SESSION_TIMEOUT_MS": "6000"}
    settings = settings_of(environment)
    topics = load_topics(KINDS, load_departments())
    make_topics(settings.model_copy(update={"partitions": PARTITIONS}), plan(settings, list(topics.values())))
    register(settings, SENSORS)
    return settings, environment


def register(settings: Settings, sensors: Mapping[str, Sensor]) -> None:
    rows = {SENSORS_TOPIC: Difference(len(sensors), 0, 0, dict(sensors)), ASSETS_TOPIC: Difference(0, 0, 0, {})}
    publish(settings, lambda _: rows, author="test")


def falling_and_rising(seed: int, steps: int) -> dict[str, np.ndarray]:
    """Pressure of each sensor every 10 s: calm at 2 kPa, then a wave down through all levels and back."""
    rng = np.random.default_rng(seed)
    at = np.arange(steps)
    return {
        name: np.round(2.0 - rng.uniform(0, 1.6) * np.clip(np.sin((at - rng.integers(0, 60)) / 20), 0, 1), 3)
        for name in SENSORS
    }


def batches(values: Mapping[str, np.ndarray], first: int, last: int, registry: int = 1) -> list[tuple[int, bytes]]:
    """The steps `first` to `last` of all sensors, a batch a partition."""
    found = []
    for partition in range(PARTITIONS):
        ids = [name for name in values if partition_of(name, PARTITIONS) == partition]
        times = START_MS + 10_000 * np.arange(first, last)
        batch = Batch(
            "gas_pressure", "gateway", "test", Mode.LIVE, "", START_MS, ids,
            np.tile(np.arange(len(ids), dtype=np.int32), last - first), np.repeat(times, len(ids)),
            np.zeros(len(ids) * (last - first), np.bool_),
            {"pressure_kpa": np.stack([values[name][first:last] for name in ids], axis=1).ravel(),
             "flow_m3h": np.full(len(ids) * (last - first), np.nan),
             "temperature_c": np.full(len(ids) * (last - first), np.nan)},
            registry,
        )  # fmt: skip
        found.append((partition, encode_batch(KIND, batch)))
    return found


def produce(settings: Settings, records: list[tuple[int, bytes]]) -> None:
    producer = Producer(producer_config(settings))
    for partition, value in records:
        producer.produce(topic_name(settings, KIND.topic), value, partition=partition)
    assert producer.flush(30) == 0


def read(settings: Settings, topic: str, partitions: int = 1) -> list[tuple[int, int, int, bytes]]:
    """Partition, offset, time and value of everything in a topic."""
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": "unused"})
    name = topic_name(settings, topic)
    found = []
    try:
        for number in range(partitions):
            place = TopicPartition(name, number)
            position, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([TopicPartition(name, number, position)])
            while position < end:
                for message in consumer.consume(1000, timeout=0.2):
                    assert message.error() is None
                    found.append((number, message.offset(), message.timestamp()[1], message.value()))
                    position = message.offset() + 1
    finally:
        consumer.close()
    return found


def expected_signals(settings: Settings, registries: Mapping[int, Snapshot]) -> dict[str, Signal]:
    """What the log gives, by id."""
    rules, codec = load_rules(None, KINDS), BatchCodec(KINDS)
    engines: dict[int, Engine] = {}
    versions: dict[int, int] = {}
    signals: list[Signal] = []
    for partition, offset, log_time, value in read(settings, KIND.topic, PARTITIONS):
        batch = codec.decode(value)
        if batch.registry_version > versions.get(partition, 0):
            versions[partition] = batch.registry_version
            registry = registries[batch.registry_version]
            if partition in engines:
                engines[partition].set_registry(registry)
            else:
                engines[partition] = Engine(KIND, rules, registry, partition)
        signals += engines[partition].process(batch, offset, log_time)
    assert len({one.signal_id for one in signals}) == len(signals)
    return {one.signal_id: one for one in signals}


def published_signals(settings: Settings) -> list[Signal]:
    return [Signal.decode(value) for *_, value in read(settings, "signals")]


def ids(signals: list[Signal]) -> set[str]:
    return {one.signal_id for one in signals}


def assert_exactly(got: list[Signal], expected: Mapping[str, Signal]) -> None:
    """Every expected signal was published, nothing else, and what was published twice is the same."""
    plain = [dataclasses.replace(one, published_at=0) for one in got]
    assert ids(plain) == expected.keys()
    for one in plain:
        assert one == expected[one.signal_id]


def test_killed_at_any_moment_it_gives_what_the_log_gives(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    values = falling_and_rising(seed=1, steps=160)
    rng = random.Random(1)
    step = 0
    with running("lifecycle", environment, tmp_path):
        for _ in range(4):
            with running("processor", environment, tmp_path) as processor:
                processor.wait_ready()
                for _ in range(rng.randrange(10, 40)):
                    produce(settings, batches(values, step, step + 1))
                    step += 1
                processor.stop(signal.SIGKILL)
        produce(settings, [record for one in range(step, 160) for record in batches(values, one, one + 1)])
        expected = expected_signals(settings, {1: Snapshot(1, SENSORS, {})})
        assert {one.transition for one in expected.values()} == {"raised", "changed", "cleared"}
        with running("processor", environment, tmp_path) as processor:
            wait_until(lambda: ids(published_signals(settings)) >= expected.keys(), "all signals", 60)
            assert processor.stop() == 0
        assert_exactly(published_signals(settings), expected)

        def events() -> list[Alert]:
            return [Alert.decode(value) for *_, value in read(settings, "alerts")]

        wait_until(lambda: len(events()) >= len(expected), "an event for each signal")
    assert sorted((one.alert_id, one.signal_sequence) for one in events()) == sorted(
        (one.alert_id, one.sequence) for one in expected.values()
    )
    department = [Alert.decode(value) for *_, value in read(settings, "alerts.gas")]
    assert {(one.alert_id, one.sequence) for one in department} == {(one.alert_id, one.sequence) for one in events()}


def test_the_registry_changes_at_a_point_of_the_log(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    values = falling_and_rising(seed=2, steps=100)
    # from version 2 on half of the sensors are not judged by the low-pressure rules any more
    changed = {
        name: dataclasses.replace(sensor, profile="medium-pressure" if int(name[-2:]) % 2 else sensor.profile)
        for name, sensor in SENSORS.items()
    }
    produce(settings, [record for step in range(50) for record in batches(values, step, step + 1)])
    register(settings, {name: sensor for name, sensor in changed.items() if sensor != SENSORS[name]})
    produce(settings, [record for step in range(50, 100) for record in batches(values, step, step + 1, registry=2)])
    expected = expected_signals(settings, {1: Snapshot(1, SENSORS, {}), 2: Snapshot(2, changed, {})})
    assert {one.registry_version for one in expected.values()} == {1, 2}
    with running("processor", environment, tmp_path) as processor:
        wait_until(lambda: ids(published_signals(settings)) >= expected.keys(), "all signals", 60)
        assert processor.stop() == 0
    assert_exactly(published_signals(settings), expected)


def test_a_poison_record_is_rejected_and_the_partition_goes_on(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    values = falling_and_rising(seed=3, steps=60)
    good = [record for step in range(60) for record in batches(values, step, step + 1)]
    poison = b"\x00\x00\x00\x00\x07not a batch"
    other = encode_batch(KINDS["rainfall"], _rain())
    produce(settings, [*good[:60], (0, poison), (1, other), *good[60:]])
    with running("processor", environment, tmp_path) as processor:
        wait_until(lambda: len(read(settings, "readings.rejected")) == 2, "two rejected records", 60)
        wait_until(
            lambda: processor.metric("riskstream_processor_readings_total", outcome="judged") == 60 * len(SENSORS),
            "all good readings judged",
        )
    rejected = [Rejected.decode(value) for *_, value in read(settings, "readings.rejected")]
    assert {one.original for one in rejected} == {poison, other}
    assert {one.reason for one in rejected} == {"poison"}
    topic = topic_name(settings, KIND.topic)
    assert {one.origin for one in rejected} == {f"{topic}/0/30", f"{topic}/1/30"}


def _rain() -> Batch:
    return Batch(
        "rainfall", "gateway", "test", Mode.LIVE, "", START_MS, ["r"], np.zeros(1, np.int32),
        np.array([START_MS]), np.zeros(1, np.bool_), {"rain_mm": np.ones(1)}, 1,
    )  # fmt: skip
