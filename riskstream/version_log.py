"""A topic of versions (rules, modes) as the command line sees it: read whole, and written one version at a time.

A version is published in a Kafka transaction of a fixed transactional id: of two at the same time the later one fences
the earlier, so that no version is published twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, Self, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from riskstream.servers import kafka_trouble
from runtime.kafka import client_config, producer_config, topic_name
from runtime.settings import Settings
from schemas.wire import DecodeError


class VersionLogError(Exception):
    """The topic could not be read or written; the message says why. Nothing was published."""


class Version(Protocol):
    """A record of such a topic."""

    @property
    def version(self) -> int: ...

    def encode(self) -> bytes: ...
    @classmethod
    def decode(cls, data: bytes) -> Self: ...


V = TypeVar("V", bound=Version)


def read_versions(settings: Settings, topic: str, kind: type[V], timeout: float = 30) -> list[V]:
    """All versions, the oldest first; what the services pass over is passed over here too. Raises VersionLogError."""
    name = topic_name(settings, topic)
    if trouble := kafka_trouble(settings):
        raise VersionLogError(trouble)
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    found: dict[int, V] = {}
    deadline = time.monotonic() + timeout
    try:
        error = consumer.list_topics(name, timeout=min(10, timeout)).topics[name].error
        if error is not None:
            raise VersionLogError(f"topic {name}: {error.str()}; `riskstream migrate` makes it")
        consumer.assign([TopicPartition(name, 0, 0)])
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            failure = message.error()
            if failure is None:
                try:
                    record = kind.decode(message.value() or b"")
                except DecodeError:
                    continue
                if record.version >= 1:
                    found.setdefault(record.version, record)
            elif failure.code() == KafkaError._PARTITION_EOF:
                return list(found.values())
            elif not failure.retriable():
                raise KafkaException(failure)
    except KafkaException as error:
        raise VersionLogError(f"Kafka at {settings.kafka_bootstrap}: {_reason(error)}") from error
    finally:
        consumer.close()
    raise VersionLogError(f"topic {name} was not read within {timeout:g} s")


def publish_version(
    settings: Settings, topic: str, kind: type[V], plan: Callable[[list[V]], V | None], timeout: float = 60
) -> V | None:
    """Publish what `plan` makes of the versions as they are once no other can be published; None: nothing.

    Raises VersionLogError, and what `plan` raises; then nothing was published.
    """
    if trouble := kafka_trouble(settings):
        raise VersionLogError(trouble)
    producer = Producer(
        producer_config(settings)
        # it logs what it retries, such as a coordinator that is still loading
        | {"transactional.id": f"{settings.topic_prefix}riskstream-{topic}", "log_level": 3}
    )
    try:
        producer.init_transactions(timeout)
        record = plan(read_versions(settings, topic, kind, timeout))
        if record is None:
            return None
        producer.begin_transaction()
        producer.produce(topic_name(settings, topic), record.encode(), str(record.version), partition=0)
        producer.commit_transaction(timeout)
    except KafkaException as error:
        if error.args[0].code() == KafkaError._FENCED:
            raise VersionLogError("another version was published meanwhile; nothing of this one was") from error
        raise VersionLogError(f"Kafka at {settings.kafka_bootstrap}: {_reason(error)}") from error
    return record


def next_version(versions: list[V]) -> int:
    """1, 2, … in the order of publishing."""
    return max((one.version for one in versions), default=0) + 1


def _reason(error: KafkaException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)
