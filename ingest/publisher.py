"""Publishes accepted and rejected readings to Kafka, and tells each ticket when all of its own is there.

Readings wait in lanes for more of their kind, at most `linger_ms`, so that a record carries hundreds of them. Used
from one thread only, which calls `serve` every few milliseconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from ingest.batching import Lane, shipments
from ingest.directory import REJECTED_TOPIC
from ingest.tickets import Ticket
from ingest.validate import Accepted
from runtime import metrics
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.batch import Mode
from schemas.kinds import Kind
from schemas.records import Event, Rejected

log = logging.getLogger(__name__)

EVENTS_TOPIC = "events"
_BYTES_A_READING = 64
_BYTES_A_RECORD = 300
"""What a record costs in the producer's queue besides its value, about."""


class Publisher:
    """`source` is the way in (mqtt, http); batches and rejects carry it with the settings' instance."""

    def __init__(self, settings: Settings, source: str, kinds: Mapping[str, Kind]) -> None:
        self._gateway = settings.instance
        self._source = source
        self._kinds = kinds
        self._linger_s = settings.linger_ms / 1000
        self._most = settings.batch_readings
        self._topics = {name: topic_name(settings, kind.topic) for name, kind in kinds.items()}
        self._rejected_topic = topic_name(settings, REJECTED_TOPIC)
        self._events_topic = topic_name(settings, EVENTS_TOPIC)
        self._lanes: dict[tuple[str, Mode, str], Lane] = {}
        self._fatal: str | None = None
        self._in_flight = 0
        self._batches = {name: metrics.INGEST_BATCHES.labels(source, name) for name in kinds}
        self._undelivered = metrics.INGEST_UNDELIVERED.labels(source)
        metrics.INGEST_IN_FLIGHT.labels(source).set_function(lambda: self._in_flight)
        self._producer = Producer(
            producer_config(settings)
            | {
                "delivery.timeout.ms": int(settings.publish_timeout_s * 1000),
                "error_cb": self._on_error,
                "log_level": 0,  # it would say a second time what error_cb gets
                # what waits is bounded in bytes, here and by the gateways; rejects may be many and small
                "queue.buffering.max.messages": 0,
            }
        )

    @property
    def in_flight_bytes(self) -> int:
        """What was submitted and is not delivered yet, about."""
        return self._in_flight

    @property
    def idle(self) -> bool:
        return not self._lanes and not len(self._producer)

    def fatal(self) -> str | None:
        """Why this producer can never deliver again (only a restart helps); None if it can."""
        return self._fatal

    def publish(self, kind: str, accepted: Accepted, mode: Mode, run_id: str, received_at: int, ticket: Ticket) -> None:
        """Put readings on their way; the ticket expects them."""
        if not len(accepted):
            return
        key = (kind, mode, run_id)
        lane = self._lanes.get(key)
        if lane is not None and lane.known is not accepted.known:
            self._ship(key)
            lane = None
        if lane is None:
            deadline = time.monotonic() + self._linger_s
            lane = Lane(self._kinds[kind], mode, run_id, accepted.known, deadline, received_at)
            self._lanes[key] = lane
        lane.add(accepted, ticket, received_at)
        self._in_flight += _BYTES_A_READING * len(accepted)
        if lane.readings >= self._most * accepted.known.partition_count:  # about a full batch for each partition
            self._ship(key)

    def reject(self, record: Rejected, ticket: Ticket) -> None:
        """Store a rejected reading; the ticket expects it."""
        ticket.expect()
        value = record.encode()
        headers = [("riskstream-reason", record.reason.encode())]
        self._produce(self._rejected_topic, 0, value, headers, [ticket])

    def event(self, record: Event, ticket: Ticket) -> None:
        """Publish an event from outside; the ticket expects it."""
        ticket.expect()
        self._produce(self._events_topic, 0, record.encode(), None, [ticket], record.event_id)

    def serve(self) -> None:
        """Send lanes that waited long enough, and settle the tickets of what Kafka answered."""
        now = time.monotonic()
        for key in [key for key, lane in self._lanes.items() if lane.deadline <= now]:
            self._ship(key)
        self._producer.poll(0)

    def flush(self) -> None:
        """Send all lanes now."""
        for key in list(self._lanes):
            self._ship(key)

    def drain(self, timeout: float) -> int:
        """Send everything and wait for Kafka's answers; returns how many records are left unanswered."""
        self.flush()
        return int(self._producer.flush(timeout))

    def _ship(self, key: tuple[str, Mode, str]) -> None:
        lane = self._lanes.pop(key)
        failed: str | None = "the batch could not be made"
        try:
            for shipment in shipments(lane, self._gateway, self._source, self._most):
                for ticket in shipment.tickets:
                    ticket.expect()
                self._batches[lane.kind.name].inc()
                self._produce(self._topics[lane.kind.name], shipment.partition, shipment.value, None, shipment.tickets)
            failed = None
        finally:
            # whatever happens, nobody waits for ever
            self._in_flight -= _BYTES_A_READING * lane.readings
            for _, ticket in lane.parts:
                ticket.settle(failed)

    def _produce(
        self,
        topic: str,
        partition: int,
        value: bytes,
        headers: list[tuple[str, bytes]] | None,
        tickets: list[Ticket],
        key: str | None = None,
    ) -> None:
        size = len(value) + _BYTES_A_RECORD
        self._in_flight += size
        delivered = self._when_delivered(size, tickets)
        try:
            self._producer.produce(topic, value, key, partition=partition, headers=headers, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            delivered(error, None)

    def _when_delivered(self, size: int, tickets: list[Ticket]) -> Callable[[Any, Any], None]:
        def delivered(error: Any, _message: Any) -> None:
            self._in_flight -= size
            said = None if error is None else str(error)
            if said is not None:
                self._undelivered.inc()
            for ticket in tickets:
                ticket.settle(said)

        return delivered

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = str(error)
            log.error("the producer cannot go on: %s", error)
        else:
            log.warning("Kafka: %s", error)
