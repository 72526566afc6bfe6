"""Prints alerts as they come while the demo plays."""

from __future__ import annotations

import threading
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, TopicPartition

from runtime.kafka import client_config, topic_name
from runtime.settings import Settings
from schemas.records import Alert


class AlertFeed:
    """Follows the topic `alerts` from its present end, in a thread, and passes each event on."""

    def __init__(self, settings: Settings, show: Callable[[Alert], None]) -> None:
        self._show = show
        self._stop = threading.Event()
        topic = topic_name(settings, "alerts")
        self._consumer = Consumer(client_config(settings) | {"group.id": "unused", "enable.auto.commit": False})
        _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        self._consumer.assign([TopicPartition(topic, 0, end)])
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self.seen = 0

    def __enter__(self) -> AlertFeed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(100, timeout=0.2):
                error = message.error()
                if error is None:
                    self.seen += 1
                    self._show(Alert.decode(message.value()))
                elif error.code() != KafkaError._PARTITION_EOF and not error.retriable():
                    return
