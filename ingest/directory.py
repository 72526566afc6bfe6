"""What a gateway knows of its surroundings, kept up to date by threads: registry, partitions, is Kafka there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ingest.known import KnownSensors, known_sensors
from runtime.kafka import client_config, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings
from schemas.kinds import Kind
from schemas.registry import Snapshot

log = logging.getLogger(__name__)

REJECTED_TOPIC = "readings.rejected"
_PROBE_S = 3.0


class Directory:
    """Registered sensors by kind with their partitions.

    A topic's partition count is read from Kafka once and then fixed, as the design demands: growth is a new topic.
    """

    def __init__(self, settings: Settings, kinds: Mapping[str, Kind]) -> None:
        self._settings = settings
        self._kinds = kinds
        self._partitions: dict[str, int] = {}
        self._known: dict[str, KnownSensors] = {}
        self._problem: str | None = "Kafka has not been asked yet"
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._follower = RegistryFollower(settings, on_change=self._rebuild)
        self._thread = threading.Thread(target=self._watch, name="directory", daemon=True)

    def start(self) -> None:
        self._follower.start()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._follower.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def known(self, kind: str) -> KnownSensors | None:
        """The sensors of a kind; None as long as the registry or the kind's topic has not been read."""
        return self._known.get(kind)

    def problem(self) -> str | None:
        """Why readings cannot be taken now; None if they can."""
        return self._problem or self._follower.problem()

    def _watch(self) -> None:
        admin = AdminClient(client_config(self._settings) | {"log_level": 0})
        while not self._stop.is_set():
            try:
                topics = admin.list_topics(timeout=_PROBE_S).topics
            except KafkaException as error:
                self._say(f"Kafka cannot be reached at {self._settings.kafka_bootstrap}: {error.args[0].str()}")
            else:
                self._read(topics)
            self._rebuild_if_new()
            self._stop.wait(_PROBE_S if self._problem is None else 0.2)

    def _read(self, topics: Mapping[str, object]) -> None:
        missing = []
        for kind in self._kinds.values():
            topic = topics.get(topic_name(self._settings, kind.topic))
            count = len(getattr(topic, "partitions", ()))
            if not count:
                missing.append(topic_name(self._settings, kind.topic))
            elif kind.name not in self._partitions:
                self._partitions[kind.name] = count
        rejected = topic_name(self._settings, REJECTED_TOPIC)
        if not len(getattr(topics.get(rejected), "partitions", ())):
            missing.append(rejected)
        self._say(f"topics are missing: {', '.join(missing)}; run `riskstream migrate`" if missing else None)

    def _say(self, problem: str | None) -> None:
        if problem != self._problem:
            log.log(logging.INFO if problem is None else logging.WARNING, "%s", problem or "Kafka is there")
        self._problem = problem

    def _rebuild(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._known = known_sensors(snapshot, self._partitions)

    def _rebuild_if_new(self) -> None:
        if self._follower.problem() is None and self._known.keys() != self._partitions.keys():
            self._rebuild(self._follower.snapshot())
