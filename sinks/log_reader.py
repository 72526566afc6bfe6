"""The sink's side of Kafka: which partitions it owns, where it stands in each, and its commits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.kafka import client_config, consumer_config, topic_name
from runtime.settings import Settings
from sinks.feeds import Feed
from sinks.ranges import Collector, Range, decode_intent, encode_intent
from sinks.rows.place import Log

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
# what librdkafka may fetch ahead, for all partitions together
_FETCHED_AHEAD_KB = 65_536
_MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


@dataclass(slots=True)
class Owned:
    """A partition that this sink owns.

    `pending` is the range being stored, `inserted` how many of its blocks are in, `stored` whether all of it is.
    `intended` says that Kafka knows of the range; `paused` that nothing is fetched meanwhile; before `retry_at` (of the
    monotonic clock) it is not tried again.
    """

    partition: TopicPartition
    collector: Collector
    pending: Range | None = None
    inserted: int = 0
    stored: bool = False
    intended: bool = False
    paused: bool = False
    retry_at: float = 0.0


class LogReader:
    """Reads the topics of the feeds as one of a consumer group; for use in one thread.

    `problem` may be called from others.
    """

    def __init__(self, settings: Settings, group: str, feeds: Mapping[str, Feed]) -> None:
        self._feeds = {topic_name(settings, feed.topic): feed for feed in feeds.values()}
        self._owned: dict[tuple[str, int], Owned] = {}
        self._missing: set[str] = set()
        self._kafka_problem: str | None = None
        self._assigned_once = False
        self._admin = AdminClient(client_config(settings))
        self._consumer = Consumer(
            consumer_config(settings, group, self._feeds)
            | {
                "queued.max.messages.kbytes": _FETCHED_AHEAD_KB,
                # a topic that is made later is found soon
                "topic.metadata.refresh.interval.ms": 10_000,
            }
        )
        self._consumer.subscribe(
            list(self._feeds), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def consume(self, most: int, timeout_s: float) -> list[Message]:
        """The next records, without errors. Raises `KafkaException` for an error that only a restart can mend."""
        records = []
        for message in self._consumer.consume(most, timeout_s):
            error = message.error()
            if error is None:
                records.append(message)
            else:
                self._note(error, message.topic())
        if records:
            self._kafka_problem = None
        return records

    def owned(self, message: Message) -> Owned | None:
        """The owned partition that a record is of; None if it was taken away meanwhile."""
        return self._owned.get((message.topic(), message.partition()))

    def all(self) -> list[Owned]:
        return list(self._owned.values())

    def problem(self) -> str | None:
        """Why reading does not go well; None if it does."""
        if self._missing:
            return f"no such topic: {', '.join(sorted(self._missing))} (riskstream migrate makes it)"
        if self._kafka_problem:
            return self._kafka_problem
        return None if self._assigned_once else "no partitions assigned yet"

    def commit_intents(self, waiting: Iterable[Owned]) -> None:
        """Tell Kafka which ranges are going to be inserted. Raises `KafkaException`."""
        fresh = [owned for owned in waiting if not owned.intended and owned.pending is not None]
        self._commit(
            [
                _at(owned, owned.pending.first, encode_intent(owned.collector.log.generation, owned.pending.last))
                for owned in fresh
                if owned.pending is not None
            ]
        )
        for owned in fresh:
            owned.intended = True

    def commit_stored(self, stored: Iterable[Owned]) -> None:
        """Tell Kafka that these pending ranges are stored, and go on behind them.

        A commit that fails is only logged: the intent still stands there, and the next commit covers it.
        """
        positions = []
        for owned in stored:
            if owned.pending is not None:
                positions.append(_at(owned, owned.pending.last + 1, ""))
            owned.pending, owned.inserted, owned.stored, owned.intended = None, 0, False, False
            if owned.paused and self._holds(owned):
                self._consumer.resume([owned.partition])
                owned.paused = False
        try:
            self._commit(positions)
        except KafkaException as error:
            log.warning("positions were not committed, the next commit covers them: %s", error.args[0])

    def pause(self, owned: Owned) -> None:
        """Fetch no more of a partition until its pending range is stored."""
        if not owned.paused and self._holds(owned):
            self._consumer.pause([owned.partition])
            owned.paused = True

    def pause_all(self) -> None:
        """Fetch no more at all."""
        for owned in self._owned.values():
            self.pause(owned)

    def close(self) -> None:
        self._consumer.close()

    def _holds(self, owned: Owned) -> bool:
        return self._owned.get((owned.partition.topic, owned.partition.partition)) is owned

    def _commit(self, offsets: list[TopicPartition]) -> None:
        if not offsets:
            return
        for done in self._consumer.commit(offsets=offsets, asynchronous=False) or []:
            if done.error is not None:
                raise KafkaException(done.error)

    def _note(self, error: KafkaError, topic: str | None) -> None:
        if error.fatal():
            raise KafkaException(error)
        if error.code() in _MISSING and topic:
            if topic not in self._missing:
                log.warning("no such topic: %s (riskstream migrate makes it)", topic)
            self._missing.add(topic)
            return
        if self._kafka_problem is None:
            log.warning("Kafka: %s", error.str())
        self._kafka_problem = f"Kafka: {error.str()}"

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned_once = True
        if not partitions:
            return
        generations = self._generations({partition.topic for partition in partitions})
        committed = consumer.committed(partitions, timeout=_TIMEOUT_S)
        for partition in committed:
            if partition.error is not None:
                raise KafkaException(partition.error)
            generation = generations[partition.topic]
            position = partition.offset if partition.offset >= 0 else None
            intent = None if position is None else decode_intent(partition.metadata, generation)
            collector = Collector(self._feeds[partition.topic], Log(generation, partition.partition), position, intent)
            self._owned[partition.topic, partition.partition] = Owned(partition, collector)
            self._missing.discard(partition.topic)
        consumer.incremental_assign(committed)
        log.info("%d partitions assigned, %d owned now", len(partitions), len(self._owned))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # what was collected is dropped: the next owner reads it again, and inserts an intended range exactly
        for partition in partitions:
            self._owned.pop((partition.topic, partition.partition), None)
        log.info("%d partitions revoked, %d owned now", len(partitions), len(self._owned))

    def _generations(self, topics: set[str]) -> dict[str, str]:
        described = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=_TIMEOUT_S)
        return {topic: str(future.result(_TIMEOUT_S).topic_id) for topic, future in described.items()}


def _at(owned: Owned, offset: int, metadata: str) -> TopicPartition:
    return TopicPartition(owned.partition.topic, owned.partition.partition, offset, metadata)
