"""A chunk of MQTT messages: to accepted readings and rejects, all under one ticket."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ingest.directory import Directory
from ingest.gather import Gather, Originals
from ingest.layout import Layout
from ingest.mode import LIVE, Run, run_of
from ingest.mqtt_topics import TopicCache, TopicError
from ingest.parsed import NO_ITEM, Fault
from ingest.publisher import Publisher
from ingest.rejects import Envelope, rejected_records
from ingest.tickets import Ticket
from runtime import metrics
from runtime.settings import Settings
from schemas.kinds import Kind
from schemas.reasons import Reason

SOURCE = "mqtt"


class Message(NamedTuple):
    """A message as it was received; `mid` is 0 for QoS 0, which asks for no acknowledgement.

    `properties` are MQTT 5 user properties; `riskstream-mode` and `riskstream-run-id` mean what the HTTP headers mean.
    """

    mid: int
    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()


class NotReadyError(RuntimeError):
    """A kind's topic or the registry is not there yet: messages must wait unacknowledged."""


class MqttIntake:
    """Takes chunks of messages in the order of receipt."""

    def __init__(
        self, settings: Settings, kinds: Mapping[str, Kind], directory: Directory, publisher: Publisher
    ) -> None:
        self._gateway = settings.instance
        self._limit = settings.http_max_body_bytes
        self._layouts = {name: Layout(kind) for name, kind in kinds.items()}
        self._directory = directory
        self._publisher = publisher
        self._topics = TopicCache()

    def take(self, messages: Sequence[Message], ticket: Ticket) -> None:
        """Submit every message under the ticket and seal it. Raises NotReadyError before anything is submitted."""
        received_at = time.time_ns() // 1_000_000
        gathers: dict[tuple[str, Run], Gather] = {}
        refused: list[tuple[int, str, Fault]] = []
        for number, (_, topic, payload, properties) in enumerate(messages):
            try:
                kind, sensor_id = self._topics.read(topic)
            except TopicError as error:
                refused.append((number, "", Fault(NO_ITEM, "", Reason.TOPIC_MISMATCH, str(error))))
                continue
            try:
                run = run_of(properties) if properties else LIVE
            except ValueError as error:
                refused.append((number, kind, Fault(NO_ITEM, sensor_id, Reason.UNREADABLE, str(error))))
                continue
            gather = gathers.get((kind, run))
            if gather is None:
                layout = self._layouts.get(kind)
                if layout is None:
                    detail = f"there is no kind {kind[:100]!r}; allowed: {', '.join(self._layouts)}"
                    refused.append((number, kind, Fault(NO_ITEM, sensor_id, Reason.UNKNOWN_KIND, detail)))
                    continue
                gather = gathers[kind, run] = Gather(layout, self._limit)
            gather.add(number, sensor_id, payload, received_at)
        known = {kind: self._directory.known(kind) for kind, _ in gathers}
        missing = [kind for kind, sensors in known.items() if sensors is None]
        if missing:
            raise NotReadyError(f"{', '.join(missing)}: {self._directory.problem() or 'the registry is being read'}")
        for (kind, run), gather in gathers.items():
            sensors = known[kind]
            if sensors is not None:
                accepted = gather.finish(sensors, received_at)
                self._count(kind, gather, len(accepted), int(accepted.late.sum()))
                self._publisher.publish(kind, accepted, run.mode, run.run_id, received_at, ticket)
            for number, original, fault in gather.faulty:
                self._reject(messages[number], kind, run, fault, original, received_at, ticket)
        for number, kind, fault in refused:
            metrics.INGEST_PAYLOADS.labels(SOURCE, "unreadable").inc()
            self._reject(messages[number], kind, LIVE, fault, None, received_at, ticket)
        ticket.seal()

    def _count(self, kind: str, gather: Gather, accepted: int, late: int) -> None:
        for form, count in gather.forms.items():
            metrics.INGEST_PAYLOADS.labels(SOURCE, form).inc(count)
        metrics.INGEST_ACCEPTED.labels(SOURCE, kind).inc(accepted)
        if late:
            metrics.INGEST_LATE.labels(SOURCE, kind).inc(late)
        if gather.unknown_fields:
            metrics.INGEST_UNKNOWN_FIELDS.labels(SOURCE, kind).inc(gather.unknown_fields)

    def _reject(
        self,
        message: Message,
        kind: str,
        run: Run,
        fault: Fault,
        original: Originals | None,
        received_at: int,
        ticket: Ticket,
    ) -> None:
        payload = message.payload
        envelope = Envelope(SOURCE, self._gateway, message.topic, "", kind, run.mode, run.run_id, received_at)
        find = original or (lambda _: payload)
        for record in rejected_records([fault], find, payload, envelope):
            metrics.INGEST_REJECTED.labels(SOURCE, record.reason).inc(record.readings)
            self._publisher.reject(record, ticket)
