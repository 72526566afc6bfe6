"""Topics as they stand in Kafka: their records, their ends, and where a group is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, TopicPartition

from runtime.kafka import client_config, group_name, topic_name
from runtime.settings import Settings
from schemas.batch import CONTROL_HEADER


@dataclass(frozen=True, slots=True)
class Found:
    """A record; `control` is the text of a control record, `time` its timestamp (ms)."""

    partition: int
    offset: int
    time: int
    key: bytes
    value: bytes
    control: str


def read_topic(settings: Settings, topic: str) -> list[Found]:
    """Everything in a topic up to its present end, partition by partition, in log order."""
    consumer = _consumer(settings)
    try:
        left = {
            place.partition: high for place, (low, high) in _ends(consumer, settings, [topic]).items() if high > low
        }
        consumer.assign([TopicPartition(topic_name(settings, topic), number, 0) for number in left])
        found: list[Found] = []
        while left:
            for message in consumer.consume(1000, timeout=0.1):
                error, number = message.error(), message.partition()
                if error is not None:
                    assert error.retriable() or error.code() == KafkaError._PARTITION_EOF, error
                elif number in left:
                    control = dict(message.headers() or []).get(CONTROL_HEADER, b"").decode(errors="replace")
                    where = (number, message.offset(), message.timestamp()[1])
                    found.append(Found(*where, message.key() or b"", message.value() or b"", control))
                    if message.offset() + 1 >= left[number]:
                        del left[number]
    finally:
        consumer.close()
    return sorted(found, key=lambda one: (one.partition, one.offset))


def ends(settings: Settings, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """The offset behind the last record of each partition."""
    consumer = _consumer(settings)
    try:
        return {(place.topic, place.partition): high for place, (_, high) in _ends(consumer, settings, topics).items()}
    finally:
        consumer.close()


def committed(settings: Settings, group: str, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Where a group (without prefix) is; 0 where it has committed nothing."""
    consumer = _consumer(settings, group_name(settings, group))
    try:
        found = consumer.committed([TopicPartition(*place) for place in places], timeout=20)
        return {(one.topic, one.partition): max(0, one.offset) for one in found}
    finally:
        consumer.close()


def lag(settings: Settings, group: str, topics: Iterable[str]) -> int:
    """Records of the topics that a group has not committed."""
    there = ends(settings, topics)
    done = committed(settings, group, there)
    return sum(max(0, end - done[place]) for place, end in there.items())


def _ends(consumer: Consumer, settings: Settings, topics: Iterable[str]) -> dict[TopicPartition, tuple[int, int]]:
    found = {}
    for topic in topics:
        name = topic_name(settings, topic)
        for number in consumer.list_topics(name, timeout=20).topics[name].partitions:
            place = TopicPartition(name, number)
            found[place] = consumer.get_watermark_offsets(place, timeout=20)
    return found


def _consumer(settings: Settings, group: str = "unused") -> Consumer:
    return Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False, "fetch.wait.max.ms": 10})
