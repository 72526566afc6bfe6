"""Follows the registry's topics live."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runtime.kafka import client_config, topic_name
from runtime.metrics import REGISTRY_VERSION
from runtime.settings import Settings
from schemas.registry import EMPTY, Asset, Sensor, Snapshot
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC, Marker, TopicReader
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

_KEPT_VERSIONS = 16


class RegistryReader:
    """Pure part: records of both topics in, snapshots out; a version counts when both topics have its marker.

    The topics may come one far ahead of the other: each version is given all the same.
    """

    def __init__(self) -> None:
        self._readers = {SENSORS_TOPIC: TopicReader(SENSORS_TOPIC), ASSETS_TOPIC: TopicReader(ASSETS_TOPIC)}
        self._ended: dict[str, dict[int, dict[str, Sensor | Asset]]] = {topic: {} for topic in self._readers}

    @property
    def markers(self) -> list[Marker]:
        return self._readers[SENSORS_TOPIC].markers

    def feed(self, topic: str, value: bytes, headers: Any) -> Snapshot | None:
        """Take one record; returns the new snapshot if it completes a version. Raises `DecodeError`."""
        marker = self._readers[topic].feed(value, headers)
        if marker is None:
            return None
        version = marker.version
        self._ended[topic][version] = dict(self._readers[topic].entries)
        if any(version not in ended for ended in self._ended.values()):
            return None
        sensors, assets = self._ended[SENSORS_TOPIC].pop(version), self._ended[ASSETS_TOPIC].pop(version)
        return Snapshot(
            version,
            MappingProxyType(cast(dict[str, Sensor], sensors)),
            MappingProxyType(cast(dict[str, Asset], assets)),
        )


class RegistryFollower:
    """Keeps the newest whole version of the registry in memory, in a thread of its own.

    `on_change` is called in that thread with each new snapshot.
    """

    def __init__(self, settings: Settings, on_change: Callable[[Snapshot], None] | None = None) -> None:
        self._settings = settings
        self._on_change = on_change
        self._snapshot = EMPTY
        self._versions = {EMPTY.version: EMPTY}
        self._caught_up = threading.Event()
        self._stop = threading.Event()
        self._problem: str | None = "not started"
        self._names = {topic_name(settings, topic): topic for topic in (SENSORS_TOPIC, ASSETS_TOPIC)}
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def snapshot(self) -> Snapshot:
        """The newest whole version; the empty one (version 0) before the first import."""
        return self._snapshot

    def reached(self) -> int:
        """The newest whole version that has been read."""
        return max(self._versions, default=EMPTY.version)

    def at(self, version: int) -> Snapshot:
        """The snapshot of a version that was reached, or of the next newer one if it never was whole.

        Blocks while one that is not kept any more is read again from the topics. Raises `KafkaException` if Kafka is
        away then, `LookupError` for a version that was not reached.
        """
        if version == EMPTY.version:
            return EMPTY
        kept = self._versions
        if version in kept:
            return kept[version]
        if version > min(kept) and version < max(kept):
            return kept[min(number for number in kept if number > version)]
        return self._read_again(version)

    def _read_again(self, version: int) -> Snapshot:
        found: list[Snapshot] = []

        def take(snapshot: Snapshot) -> bool:
            found.append(snapshot)
            return snapshot.version >= version

        log.info("registry version %d is not kept: the topics are read again", version)
        consumer = self._consumer()
        try:
            self._read(consumer, take, lambda: True)
        finally:
            consumer.close()
        if not found or found[-1].version < version:
            raise LookupError(f"there is no registry version {version}")
        return found[-1]

    def wait_ready(self, timeout: float) -> bool:
        """Wait until everything that stood in the topics has been read; False if it took longer than `timeout` s."""
        return self._caught_up.wait(timeout)

    def problem(self) -> str | None:
        """Why the registry is not ready, for /readyz; None if it is."""
        return None if self._caught_up.is_set() else f"registry not read yet ({self._problem})"

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = self._consumer()
            try:
                self._follow(consumer)
            except (KafkaException, DecodeError) as error:
                self._problem = str(error)
                log.warning("registry cannot be followed, trying again: %s", error)
                self._stop.wait(1)
            finally:
                consumer.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            client_config(self._settings)
            | {
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )

    def _follow(self, consumer: Consumer) -> None:
        newest = self._snapshot

        def take(snapshot: Snapshot) -> bool:
            nonlocal newest
            newest = self._keep(snapshot)
            return False

        def at_end() -> bool:
            # older versions are only a way to the newest: nobody needs to see them go by at start
            self._apply(newest)
            self._caught_up.set()
            return False

        self._problem = "reading"
        self._read(consumer, take, at_end)

    def _read(self, consumer: Consumer, take: Callable[[Snapshot], bool], at_end: Callable[[], bool]) -> None:
        """Give each version to `take`; call `at_end` whenever all that stood there is read; until one answers true."""
        for name in self._names:
            topic = consumer.list_topics(name, timeout=5).topics[name]
            if topic.error is not None:
                raise KafkaException(topic.error)
        consumer.assign([TopicPartition(name, 0, 0) for name in self._names])
        reader = RegistryReader()
        ended: set[str] = set()
        while not self._stop.is_set():
            for message in consumer.consume(500, timeout=0.2):
                error = message.error()
                if error is None:
                    snapshot = reader.feed(self._names[message.topic()], message.value(), message.headers())
                    if snapshot is not None and take(snapshot):
                        return
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.topic())
                elif not error.retriable():
                    raise KafkaException(error)
            if len(ended) == len(self._names) and at_end():
                return

    def _keep(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.version > self.reached():
            self._versions = dict(list(self._versions.items())[-_KEPT_VERSIONS:]) | {snapshot.version: snapshot}
        return snapshot

    def _apply(self, snapshot: Snapshot) -> None:
        if snapshot.version > self._snapshot.version:
            started = time.monotonic()
            self._snapshot = snapshot
            REGISTRY_VERSION.set(snapshot.version)
            if self._on_change:
                self._on_change(snapshot)
            log.info(
                "registry version %d: %d sensors, %d assets (%.2f s)",
                snapshot.version, len(snapshot.sensors), len(snapshot.assets), time.monotonic() - started,
            )  # fmt: skip
