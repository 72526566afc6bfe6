"""The lifecycle: signals in, alert events out. A thin shell around `processors.core.alerts`.

One consumer follows the one partition of `signals`. Its state is what it published: at start it reads
`alerts.current` back, so that after a crash a signal whose events are already out is recognised by its sequence.
"""

from __future__ import annotations

import logging
import signal as signals_of_the_system
import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processors.alert_texts import LiveTexts
from processors.core.alerts import AlertTexts, link, step
from runtime import metrics
from runtime.health import HealthServer
from runtime.kafka import client_config, consumer_config, producer_config, topic_name
from runtime.settings import Settings
from schemas.kinds import load_kinds
from schemas.records import Alert, Signal
from schemas.wire import DecodeError

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    kinds = load_kinds(*settings.kinds_dirs)
    texts = LiveTexts(settings, kinds)
    service = LifecycleService(settings, texts.of)
    stop = threading.Event()
    for number in (signals_of_the_system.SIGTERM, signals_of_the_system.SIGINT):
        signals_of_the_system.signal(number, lambda *_: stop.set())
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("signals", lambda: service.problem)
    health.ready("rules", texts.problem)
    texts.start()
    health.start()
    try:
        service.run(stop)
    finally:
        texts.stop()
        health.stop()


class LifecycleService:
    """Keeps the newest event of every alert and publishes the next ones; `texts` are those of a signal's rule."""

    def __init__(self, settings: Settings, texts: Callable[[Signal], AlertTexts | None]) -> None:
        self._settings = settings
        self._texts = texts
        self._current: dict[str, Alert] = {}
        self.problem: str | None = "starting"

    def run(self, stop: threading.Event) -> None:
        """Follow the signals until `stop` is set; while Kafka is away, wait for it."""
        while not stop.is_set():
            try:
                self._current = read_current(self._settings, stop)
                self._follow(stop)
            except KafkaException as error:
                self.problem = str(error)
                log.warning("trying again: %s", error)
                stop.wait(1)

    def _follow(self, stop: threading.Event) -> None:
        producer = Producer(producer_config(self._settings))
        topics = [topic_name(self._settings, "signals")]
        consumer = Consumer(consumer_config(self._settings, "lifecycle", topics))
        consumer.subscribe(topics)
        try:
            while not stop.is_set():
                messages = consumer.consume(500, timeout=0.1)
                self.problem = None
                taken = [message for message in messages if _usable(message)]
                if taken:
                    self._publish(producer, taken)
                    last = taken[-1]
                    consumer.commit(
                        offsets=[TopicPartition(last.topic(), last.partition(), last.offset() + 1)], asynchronous=False
                    )
        finally:
            consumer.close()

    def _publish(self, producer: Producer, messages: list[Message]) -> None:
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        for message in messages:
            for topic, event in self._events(message):
                producer.produce(
                    topic_name(self._settings, topic), event.encode(), event.alert_id,
                    headers=list(cloud_event_headers(event).items()), on_delivery=delivered,
                )  # fmt: skip
                producer.poll(0)
        left = producer.flush(self._settings.publish_timeout_s)
        if failures:
            raise KafkaException(failures[0])
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{left} alert events are not delivered"))

    def _events(self, message: Message) -> list[tuple[str, Alert]]:
        try:
            signal = Signal.decode(message.value())
        except DecodeError as error:
            log.error("%s/%d/%d is no signal: %s", message.topic(), message.partition(), message.offset(), error)
            return []
        found: list[tuple[str, Alert]] = []
        texts = self._texts(signal) or UnknownRule(signal.rule_id)
        alert = step(self._current.get(signal.alert_id), signal, texts)
        if alert is not None:
            found += self._to_topics(alert)
        # also when the coupled alert is known already: a crash may lie between it and its links
        for alert_id in signal.contributing:
            contributing = self._current.get(alert_id)
            linked = link(contributing, signal) if contributing is not None else None
            if linked is not None:
                found += self._to_topics(linked)
        return found

    def _to_topics(self, alert: Alert) -> list[tuple[str, Alert]]:
        alert.published_at = round(time.time() * 1000)
        self._current[alert.alert_id] = alert
        metrics.LIFECYCLE_EVENTS.labels(alert.event, alert.level.word).inc()
        # `alerts.current` last: what it has, the others have too
        topics = ["alerts", *(f"alerts.{department}" for department in alert.departments), "alerts.current"]
        return [(topic, alert) for topic in topics]


class UnknownRule:
    """Stands in for a rule that raised a signal and is not loaded here: its alert is passed on all the same."""

    def __init__(self, rule_id: str) -> None:
        self.title = {"en": rule_id}
        self.advice: dict[str, str] = {}
        self.departments: list[str] = ["emergency"]


def read_current(settings: Settings, stop: threading.Event) -> dict[str, Alert]:
    """Everything that stands in `alerts.current`, by alert id. Raises `KafkaException`."""
    topic = topic_name(settings, "alerts.current")
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    current: dict[str, Alert] = {}
    try:
        found = consumer.list_topics(topic, timeout=5).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        consumer.assign([TopicPartition(topic, 0, 0)])
        while not stop.is_set():
            for message in consumer.consume(1000, timeout=0.5):
                error = message.error()
                if error is None:
                    if message.value() is not None:
                        alert = Alert.decode(message.value())
                        current[alert.alert_id] = alert
                elif error.code() == KafkaError._PARTITION_EOF:
                    return current
                elif not error.retriable():
                    raise KafkaException(error)
    finally:
        consumer.close()
    return current


def cloud_event_headers(alert: Alert) -> dict[str, str | bytes]:
    """The headers of the CloudEvents 1.0 Kafka binding, binary mode."""
    return {
        "ce_specversion": "1.0",
        "ce_id": f"{alert.alert_id}/{alert.sequence}",
        "ce_type": f"riskstream.alert.{alert.event}",
        "ce_source": f"/riskstream/rules/{alert.rule_id}",
        "ce_subject": alert.zone,
        "ce_time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(alert.updated_at / 1000))
        + f".{alert.updated_at % 1000:03d}Z",
        "content-type": "application/avro",
    }


def _usable(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if not error.retriable() and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return False
