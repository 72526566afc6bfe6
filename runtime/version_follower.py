"""Follows a topic of versions, one record each, live: the rules, and the zones' modes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runtime.kafka import client_config, topic_name
from runtime.metrics import VERSIONS_REFUSED
from runtime.settings import Settings
from schemas.rule_versions import MODES_TOPIC, RULES_TOPIC, Modes, RuleFiles
from schemas.wire import DecodeError

log = logging.getLogger(__name__)


class Versioned(Protocol):
    """A record of such a topic."""

    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


class VersionFollower(Generic[V]):
    """Keeps every version in memory, in a thread of its own.

    `on_change` is called in that thread once all that stood in the topic is read, and then with each that comes. What
    cannot be decoded, or repeats a version, is logged, counted and passed over: it replaces nothing.
    """

    def __init__(
        self, settings: Settings, topic: str, decode: Callable[[bytes], V], on_change: Callable[[], None] | None = None
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._name = topic_name(settings, topic)
        self._decode = decode
        self._on_change = on_change
        self._versions: dict[int, V] = {}
        self._position = 0
        self._moved = threading.Condition()
        self._caught_up = threading.Event()
        self._stop = threading.Event()
        self._problem: str | None = "not started"
        self._thread = threading.Thread(target=self._run, name=topic, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def find(self, version: int) -> V | None:
        """The version, None if it has not come."""
        return self._versions.get(version)

    def versions(self) -> Mapping[int, V]:
        """All that have come, in the order of the topic; a view that is never changed."""
        return MappingProxyType(self._versions)

    def wait_ready(self, timeout: float) -> bool:
        """Wait until everything that stood in the topic has been read; False if it took longer than `timeout` s."""
        return self._caught_up.wait(timeout)

    def catch_up(self, timeout: float) -> bool:
        """Wait until everything that stands in the topic now has been read; False if it took longer than `timeout` s.

        Raises `KafkaException` if Kafka does not say where the topic ends.
        """
        deadline = time.monotonic() + timeout
        consumer = Consumer(client_config(self._settings) | {"group.id": "unused"})
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(self._name, 0), timeout=timeout)
        finally:
            consumer.close()
        with self._moved:
            self._moved.wait_for(lambda: self._position >= end, max(0.0, deadline - time.monotonic()))
            return bool(self._position >= end)

    def problem(self) -> str | None:
        """Why the versions are not ready, for /readyz; None if they are."""
        return None if self._caught_up.is_set() else f"{self._topic} not read yet ({self._problem})"

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(
                client_config(self._settings)
                | {
                    "group.id": "unused",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                }
            )
            try:
                self._follow(consumer)
            except KafkaException as error:
                self._problem = str(error)
                log.warning("%s cannot be followed, trying again: %s", self._topic, error)
                self._stop.wait(1)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        found = consumer.list_topics(self._name, timeout=5).topics[self._name]
        if found.error is not None:
            raise KafkaException(found.error)
        consumer.assign([TopicPartition(self._name, 0, self._position)])
        self._problem = "reading"
        while not self._stop.is_set():
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                self._take(message.value(), message.offset())
                if self._caught_up.is_set():
                    self._changed()
                self._move(message.offset() + 1)
            elif error.code() == KafkaError._PARTITION_EOF:
                if not self._caught_up.is_set():
                    self._changed()
                    self._caught_up.set()
                self._move(message.offset())
            elif not error.retriable():
                raise KafkaException(error)

    def _take(self, value: bytes | None, offset: int) -> None:
        try:
            found = self._decode(value or b"")
        except DecodeError as error:
            self._refuse(offset, str(error))
            return
        if found.version < 1 or found.version in self._versions:
            self._refuse(offset, f"version {found.version} is not a new one")
            return
        self._versions = {**self._versions, found.version: found}

    def _refuse(self, offset: int, why: str) -> None:
        VERSIONS_REFUSED.labels(self._topic).inc()
        log.error("%s: the record at offset %d is passed over: %s", self._topic, offset, why)

    def _changed(self) -> None:
        if self._on_change:
            self._on_change()

    def _move(self, position: int) -> None:
        with self._moved:
            self._position = max(self._position, position)
            self._moved.notify_all()


def rules_follower(settings: Settings, on_change: Callable[[], None] | None = None) -> VersionFollower[RuleFiles]:
    """Follows the rules that `riskstream rules apply` publishes."""
    return VersionFollower(settings, RULES_TOPIC, RuleFiles.decode, on_change)


def modes_follower(settings: Settings, on_change: Callable[[], None] | None = None) -> VersionFollower[Modes]:
    """Follows the modes that `riskstream mode` publishes."""
    return VersionFollower(settings, MODES_TOPIC, Modes.decode, on_change)
