"""Checkpoints in their Kafka topic: claims and recovery. Blocking; to be called in a thread."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from processors.checkpoint.manifest import CLAIM_KEY
from processors.checkpoint.plan import Reader, Recovered, Writer, encode_part
from runtime.kafka import client_config, producer_config, topic_name
from runtime.settings import Settings
from schemas.kinds import Kind


def checkpoint_topic(settings: Settings, kind: Kind) -> str:
    """The topic of a kind's checkpoints; its partitions are those of the readings."""
    return topic_name(settings, f"checkpoints.{kind.name}")


class CheckpointTopics:
    """The checkpoints of all kinds. Raises `KafkaException` if Kafka cannot be used within `timeout_s`."""

    def __init__(self, settings: Settings, timeout_s: float = 60) -> None:
        self._settings = settings
        self._timeout_s = timeout_s

    def take_over(self, kind: Kind, partitions: Collection[int]) -> Mapping[int, tuple[Writer, Recovered | None]]:
        """Claim partitions and read their newest complete checkpoints, None where there is none.

        The offset of the claim is the term: unique, and higher than every term before. What a worker of an earlier
        term still writes stands under other keys and harms nothing: any complete checkpoint is a true state of the
        log.
        """
        terms = self._claim(kind, partitions)
        readers = self._read(kind, terms)
        return {
            number: (Writer(kind.name, number, term, stale=readers[number].keys(), last=term), readers[number].newest())
            for number, term in terms.items()
        }

    def ends(self, kind: Kind, partitions: Collection[int]) -> Mapping[int, int]:
        """The last offset of each partition's checkpoints; −1 where there is none."""
        topic = checkpoint_topic(self._settings, kind)
        consumer = self._consumer()
        try:
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=self._timeout_s)[1] - 1
                for number in partitions
            }
        finally:
            consumer.close()

    def _claim(self, kind: Kind, partitions: Collection[int]) -> dict[int, int]:
        topic = checkpoint_topic(self._settings, kind)
        claimed: dict[int, int] = {}
        failures: list[KafkaException] = []

        def delivered(error: object, message: object) -> None:
            if error is not None:
                failures.append(KafkaException(error))
            else:
                claimed[message.partition()] = message.offset()  # type: ignore[attr-defined]

        # a claim that is written twice harms nothing, and an idempotent producer would need half a second to begin
        producer = Producer(
            producer_config(self._settings)
            | {"enable.idempotence": False, "delivery.timeout.ms": int(self._timeout_s * 1000)}
        )
        for number in partitions:
            producer.produce(
                topic, encode_part("claim", -1, 0, b""), CLAIM_KEY, partition=number, on_delivery=delivered
            )
        producer.flush(self._timeout_s)
        if failures:
            raise failures[0]
        if len(claimed) < len(partitions):
            raise KafkaException(f"partitions of {topic} could not be claimed within {self._timeout_s:.0f} s")
        return claimed

    def _read(self, kind: Kind, terms: Mapping[int, int]) -> dict[int, Reader]:
        """Everything in front of the claims."""
        topic = checkpoint_topic(self._settings, kind)
        readers = {number: Reader(kind.name, number) for number in terms}
        consumer = self._consumer()
        deadline = time.monotonic() + self._timeout_s
        try:
            places = [TopicPartition(topic, number) for number in terms]
            for place in places:
                place.offset, _ = consumer.get_watermark_offsets(place, timeout=self._timeout_s)
            consumer.assign(places)
            left = set(terms)
            while left:
                messages = consumer.consume(1000, timeout=0.05)
                if not messages and time.monotonic() > deadline:
                    raise KafkaException(f"{topic} could not be read within {self._timeout_s:.0f} s")
                for message in messages:
                    error, number = message.error(), message.partition()
                    if error is not None:
                        if error.retriable():
                            continue
                        raise KafkaException(error)
                    key = (message.key() or b"").decode()
                    if message.offset() <= terms[number] and key != CLAIM_KEY:
                        readers[number].feed(key, message.value())
                    if message.offset() >= terms[number]:
                        left.discard(number)
        finally:
            consumer.close()
        return readers

    def _consumer(self) -> Consumer:
        return Consumer(client_config(self._settings) | {"group.id": "unused", "enable.auto.commit": False})
