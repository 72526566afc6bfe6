"""Alert events from Kafka as they come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from runtime.kafka import client_config, topic_name
from schemas.records import Alert
from schemas.wire import DecodeError

if TYPE_CHECKING:
    from runtime.settings import Settings

_TIMEOUT_S = 10.0


def alert_events(settings: Settings, since: datetime | None) -> Iterator[Alert]:
    """Each event of the topic `alerts` from `since` (log time; None: from now on), without end.

    Joins no group and commits nothing. Raises `KafkaException` if Kafka or the topic is not there.
    """
    name = topic_name(settings, "alerts")
    consumer = Consumer(client_config(settings) | {"group.id": "unused", "enable.auto.commit": False, "log_level": 0})
    try:
        topic = consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name]
        if topic.error is not None:
            raise KafkaException(topic.error)
        start = OFFSET_END if since is None else round(since.timestamp() * 1000)
        places = [TopicPartition(name, partition, start) for partition in topic.partitions]
        consumer.assign(places if since is None else consumer.offsets_for_times(places, timeout=_TIMEOUT_S))
        while True:
            # short, so that Ctrl-C is heard
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if not error.retriable():
                    raise KafkaException(error)
                continue
            try:
                yield Alert.decode(message.value() or b"")
            except DecodeError:
                # not an alert of a schema known here; the sink keeps it among the rejected
                continue
    finally:
        consumer.close()
