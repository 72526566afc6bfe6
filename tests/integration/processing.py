"""The log of a test: what is sent into it, and what it gives when the engine reads it once from its beginning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from processors.core.engine import Engine
from processors.core.rules import RuleSet
from processors.ruleset import load_rules
from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.batch import CONTROL_HEADER, Batch, BatchCodec, Mode, encode_batch
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.partition import partition_of
from schemas.records import Signal
from schemas.registry import EMPTY, Sensor, Snapshot
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.rule_versions import Modes
from schemas.topics import load_topics
from tests.integration.gateways import settings_of
from tests.stack import Space

KINDS = load_kinds()
KIND = KINDS["gas_pressure"]
PARTITIONS = 2
START_MS = 1_790_000_000_000
SENSORS = {
    name: Sensor(name, "gas_pressure", name, "city/north/mill/row/g1", "gas", profile="low-pressure",
                 attributes={"period_s": 10.0})
    for name in (f"gp-{n:02}" for n in range(40))
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it stands in a topic; `control` is the text of a control record."""

    partition: int
    offset: int
    time: int
    value: bytes
    control: str


@dataclass
class Log:
    """The topics of a space."""

    settings: Settings
    environment: Mapping[str, str]
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self._producer = Producer(producer_config(self.settings))

    def send(self, records: list[tuple[int, bytes]]) -> None:
        """Partitions and values, delivered when this returns."""
        for partition, value in records:
            self._producer.produce(topic_name(self.settings, KIND.topic), value, partition=partition)
        assert self._producer.flush(30) == 0

    def read(self, topic: str, partitions: int = 1) -> list[Found]:
        """Everything in a topic up to its present end, partition by partition."""
        name = topic_name(self.settings, topic)
        found = []
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "unused",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        places = [TopicPartition(name, number, 0) for number in range(partitions)]
        # the end as it is now: under load nobody ever reaches an end
        left = {place.partition: consumer.get_watermark_offsets(place, timeout=10)[1] for place in places}
        consumer.assign(places)
        while left:
            for message in consumer.consume(1000, timeout=0.02):
                number = message.partition()
                if message.error() is not None:
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    left.pop(number, None)
                elif number in left:
                    control = dict(message.headers() or []).get(CONTROL_HEADER, b"").decode()
                    where = (number, message.offset(), message.timestamp()[1])
                    found.append(Found(*where, message.value(), control))
                    if message.offset() + 1 >= left[number]:
                        del left[number]
        consumer.close()
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def readings(self) -> list[Found]:
        return self.read(KIND.topic, PARTITIONS)

    def controls(self) -> list[str]:
        return [one.control for one in self.readings() if one.control]

    def signals(self) -> list[Signal]:
        return [Signal.decode(one.value) for one in self.read("signals")]


def prepare(space: Space, **more: str) -> Log:
    """Topics, and the sensors as registry version 1."""
    environment = {
        **space.environment,
        "RISKSTREAM_CHECKPOINT_S": "0.3",
        "RISKSTREAM_KAFKA_SESSION_TIMEOUT_MS": "6000",
        **{f"RISKSTREAM_{name}": value for name, value in more.items()},
    }
    settings = settings_of(environment)
    topics = load_topics(KINDS, load_departments())
    make_topics(settings.model_copy(update={"partitions": PARTITIONS}), plan(settings, list(topics.values())))
    register(settings, SENSORS)
    return Log(settings, environment)


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


def steps_of(values: Mapping[str, np.ndarray], first: int, last: int, registry: int = 1) -> list[tuple[int, bytes]]:
    """The steps one after the other, a record each."""
    return [record for step in range(first, last) for record in batches(values, step, step + 1, registry)]


def expected_signals(
    log: Log,
    registries: Mapping[int, Snapshot],
    rules: Mapping[int, RuleSet] | None = None,
    modes: Mapping[int, Modes] | None = None,
) -> dict[str, Signal]:
    """What the log gives, by id: one engine a partition, each record once, versions switched where the log says."""
    sets = {0: load_rules(None, KINDS), **(rules or {})}
    codec = BatchCodec(KINDS)
    engines: dict[int, Engine] = {}
    in_force: dict[int, dict[str, int]] = {}
    signals: list[Signal] = []
    for one in log.readings():
        batch = codec.decode(one.value)
        engine = engines.setdefault(one.partition, Engine(KIND, sets[0], EMPTY, one.partition))
        versions = in_force.setdefault(one.partition, {"registry": 0, "rules": 0, "mode": 0})
        place = (one.offset, one.time)
        if batch.registry_version > versions["registry"]:
            versions["registry"] = batch.registry_version
            signals += engine.set_registry(registries[batch.registry_version], *place)
        assert not (one.control and len(batch))
        signals += engine.process(batch, *place)
        word, _, number = one.control.partition("=")
        if number and int(number) > versions[word]:
            versions[word] = int(number)
            if word == "rules":
                signals += engine.set_rules(sets[int(number)], *place)
            else:
                signals += engine.set_modes((modes or {})[int(number)], *place)
    assert len({one.signal_id for one in signals}) == len(signals)
    return {one.signal_id: one for one in signals}


def ids(signals: list[Signal]) -> set[str]:
    return {one.signal_id for one in signals}


def assert_exactly(got: list[Signal], expected: Mapping[str, Signal]) -> None:
    """Every expected signal was published, nothing else, and what was published twice is the same to the bit."""
    assert ids(got) == expected.keys()
    for one in got:
        plain, wanted = dataclasses.replace(one, published_at=0), expected[one.signal_id]
        assert plain.encode() == wanted.encode(), (plain, wanted)
