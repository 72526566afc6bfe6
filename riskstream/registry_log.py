"""The registry's topics as the command line sees them: read whole, and written one version at a time.

An import is one Kafka transaction of a fixed transactional id. That adds two things to the marker, which alone makes
an import whole or nothing within one topic: both topics change together, and of two imports at the same time the
later one fences the earlier, whose rows nobody then sees. An import that dies is aborted by the broker; its rows carry
an import id that no marker names, so the next version never holds them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from riskstream.servers import kafka_trouble
from runtime.kafka import client_config, producer_config, topic_name
from runtime.settings import Settings
from schemas.registry import Asset, Sensor, Snapshot
from schemas.registry_records import (
    ASSETS_TOPIC,
    SENSORS_TOPIC,
    VERSION_HEADER,
    Marker,
    Row,
    TopicReader,
    changes,
    encode_row,
)

TOPICS = (SENSORS_TOPIC, ASSETS_TOPIC)
Record = tuple[bytes, Any]  # value, headers
Entries = Mapping[str, Sensor | Asset]


class RegistryLogError(Exception):
    """The topics could not be read or written; the message says why and that nothing was imported."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new state changes in one topic."""

    added: int
    changed: int
    removed: int
    rows: Mapping[str, Sensor | Asset | None]  # None removes

    @classmethod
    def between(cls, before: Entries, after: Entries) -> Difference:
        new, gone = changes(before, after)
        added = sum(key not in before for key in new)
        return cls(added, len(new) - added, len(gone), {**new, **dict.fromkeys(gone)})


class RegistryLog:
    """Both topics read to their end."""

    def __init__(self, records: Mapping[str, list[Record]]) -> None:
        self._records = records
        self._readers = {topic: _replay(topic, records[topic]) for topic in TOPICS}

    @property
    def versions(self) -> list[int]:
        """Versions that are whole: those with a marker in both topics."""
        marked = [{marker.version for marker in self._readers[topic].markers} for topic in TOPICS]
        return sorted(marked[0] & marked[1])

    @property
    def next_version(self) -> int:
        return max(reader.version for reader in self._readers.values()) + 1

    @property
    def whole(self) -> bool:
        """Whether both topics end at the same version."""
        return len({reader.version for reader in self._readers.values()}) == 1

    def entries(self, topic: str) -> Entries:
        """The newest state of one topic."""
        return self._readers[topic].entries

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The registry at a version, the newest by default. Raises RegistryLogError for an unknown version."""
        versions = self.versions
        if version is None:
            version = versions[-1] if versions else 0
        if version not in versions:
            known = ", ".join(map(str, versions)) or "none: nothing was imported yet"
            raise RegistryLogError(f"the registry has no version {version}; versions: {known}")
        states = [_replay(topic, self._records[topic], version).entries for topic in TOPICS]
        return Snapshot(version, cast(dict[str, Sensor], states[0]), cast(dict[str, Asset], states[1]))


def read_log(settings: Settings, timeout: float = 30) -> RegistryLog:
    """Read both topics to their end. Raises RegistryLogError when Kafka or a topic is missing."""
    if trouble := kafka_trouble(settings):
        raise RegistryLogError(trouble)
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    names = {topic_name(settings, topic): topic for topic in TOPICS}
    records: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    deadline = time.monotonic() + timeout
    try:
        for name in names:
            error = consumer.list_topics(name, timeout=min(10, timeout)).topics[name].error
            if error is not None:
                raise RegistryLogError(f"topic {name}: {error.str()}; `riskstream migrate` makes it")
        consumer.assign([TopicPartition(name, 0, 0) for name in names])
        open_topics = set(names)
        while open_topics:
            if time.monotonic() > deadline:
                raise RegistryLogError(f"the registry's topics were not read within {timeout:g} s")
            for message in consumer.consume(500, timeout=0.2):
                failure = message.error()
                if failure is None:
                    records[names[message.topic()]].append((message.value(), message.headers()))
                elif failure.code() == KafkaError._PARTITION_EOF:
                    open_topics.discard(message.topic())
                elif not failure.retriable():
                    raise KafkaException(failure)
    except KafkaException as error:
        raise RegistryLogError(f"Kafka at {settings.kafka_bootstrap}: {_reason(error)}") from error
    finally:
        consumer.close()
    return RegistryLog(records)


def publish(
    settings: Settings,
    plan: Callable[[RegistryLog], Mapping[str, Difference] | None],
    author: str,
    timeout: float = 60,
) -> int | None:
    """Publish one version; returns its number, or None if there was nothing to publish.

    `plan` gets the topics as they are once no other import can change them, and gives the rows to write, or None.
    Raises RegistryLogError; then nothing was imported.
    """
    if trouble := kafka_trouble(settings):
        raise RegistryLogError(f"{trouble}; nothing was imported")
    producer = Producer(
        producer_config(settings)
        # it logs what it retries, such as a coordinator that is still loading
        | {"transactional.id": f"{settings.topic_prefix}riskstream-registry-import", "log_level": 3}
    )
    try:
        producer.init_transactions(timeout)
        log = read_log(settings, timeout)
        differences = plan(log)
        if differences is None:
            return None
        version, import_id = log.next_version, uuid.uuid4().hex
        producer.begin_transaction()
        for topic, difference in differences.items():
            name = topic_name(settings, topic)
            for id_, entry in difference.rows.items():
                _produce(producer, name, encode_row(topic, Row(id_, version, import_id, entry)), key=id_)
            marker = Marker(version, import_id, len(difference.rows), author, int(time.time() * 1000))
            _produce(producer, name, marker.encode(), headers=[(VERSION_HEADER, str(version).encode())])
        producer.commit_transaction(timeout)
    except KafkaException as error:
        if error.args[0].code() == KafkaError._FENCED:
            raise RegistryLogError("another import started meanwhile; nothing of this one was imported") from error
        raise RegistryLogError(
            f"Kafka at {settings.kafka_bootstrap}: {_reason(error)}; nothing was imported"
        ) from error
    return version


def _produce(
    producer: Producer, topic: str, value: bytes, key: str | None = None, headers: list[tuple[str, bytes]] | None = None
) -> None:
    while True:
        try:
            producer.produce(topic, value=value, key=key, partition=0, headers=headers or [])
            producer.poll(0)
            return
        except BufferError:
            producer.poll(0.1)  # the queue is full until Kafka takes some


def _replay(topic: str, records: list[Record], until: int | None = None) -> TopicReader:
    reader = TopicReader(topic)
    for value, headers in records:
        reader.feed(value, headers)
        if reader.version == until:
            break
    return reader


def _reason(error: KafkaException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)
