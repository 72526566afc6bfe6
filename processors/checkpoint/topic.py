"""Checkpoints in their Kafka topic: claims and recovery. Blocking; to be called in a thread."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from processors.checkpoint.manifest import CLAIM_KEY
from processors.checkpoint.plan import Reader, Recovered, Writer, encode_part
from runtime.kafka import client_config, producer_config, topic_name
from runtime.settings import Settings
from schemas.kinds import Kind


def checkpoint_topic(settings: Settings, kind: Kind) -> str:
    """The topic of a kind's checkpoints; its partitions are those of the readings."""
    return topic_name(settings, f"checkpoints.{kind.name}")


def take_over(settings: Settings, kind: Kind, partition: int, timeout_s: float = 60) -> tuple[Writer, Recovered | None]:
    """Claim a partition and read its newest complete checkpoint, None if there is none.

    The offset of the claim is the term: unique, and higher than every term before. What a worker of an earlier term
    still writes stands under other keys and harms nothing: any complete checkpoint is a true state of the log.
    Raises `KafkaException` if Kafka cannot be reached within `timeout_s`.
    """
    topic = checkpoint_topic(settings, kind)
    term = _claim(settings, topic, partition, timeout_s)
    reader = Reader(kind.name, partition)
    consumer = Consumer(client_config(settings) | {"group.id": "unused", "enable.auto.commit": False})
    deadline = time.monotonic() + timeout_s
    try:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
        consumer.assign([TopicPartition(topic, partition, low)])
        position = low
        while position <= term:
            messages = consumer.consume(1000, timeout=0.1)
            if not messages and time.monotonic() > deadline:
                raise KafkaException(f"{topic} partition {partition} could not be read within {timeout_s:.0f} s")
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.retriable():
                        continue
                    raise KafkaException(error)
                position = message.offset() + 1
                key = (message.key() or b"").decode()
                if position <= term + 1 and key != CLAIM_KEY:
                    reader.feed(key, message.value())
    finally:
        consumer.close()
    return Writer(kind.name, partition, term, stale=reader.keys()), reader.newest()


def _claim(settings: Settings, topic: str, partition: int, timeout_s: float) -> int:
    claimed: list[int] = []
    failures: list[BaseException] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failures.append(KafkaException(error))
        else:
            claimed.append(message.offset())  # type: ignore[attr-defined]

    producer = Producer(producer_config(settings) | {"delivery.timeout.ms": int(timeout_s * 1000)})
    producer.produce(topic, encode_part("claim", -1, 0, b""), CLAIM_KEY, partition=partition, on_delivery=delivered)
    producer.flush(timeout_s)
    if failures:
        raise failures[0]
    if not claimed:
        raise KafkaException(f"{topic} partition {partition} could not be claimed within {timeout_s:.0f} s")
    return claimed[0]
