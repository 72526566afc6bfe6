"""What becomes of records that the sink cannot decode: they go to `readings.rejected`, up to a limit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.reasons import Reason
from schemas.records import Rejected
from sinks.ranges import Unreadable

# of the original bytes this much is kept: the record must stay below the topic's largest message
KEPT_BYTES = 512 * 1024
_FEWEST = 20
_WINDOW = 1000


class SinkStoppedError(RuntimeError):
    """The sink must not go on by itself; the message says why and what to do."""


@dataclass(slots=True)
class Limit:
    """Counts a topic's undecodable records; too large a share of them is a broken topic, not a broken record."""

    topic: str
    share: float
    seen: int = 0
    bad: int = 0

    def count(self, bad: bool) -> None:
        """Raises `SinkStoppedError` when more than `share` of the recent records (at least 20 of them) are bad."""
        if self.seen >= _WINDOW:
            self.seen, self.bad = self.seen // 2, self.bad // 2
        self.seen += 1
        self.bad += bad
        if bad and self.bad >= _FEWEST and self.bad > self.share * self.seen:
            raise SinkStoppedError(
                f"{self.bad} of the last {self.seen} records of {self.topic} could not be decoded, which is more than "
                f"RISKSTREAM_REJECTED_SHARE_LIMIT ({self.share:g}): it stops rather than pass over the whole topic; "
                "does this version know the schema of whoever writes there?"
            )


class RejectedPublisher:
    """Publishes undecodable records to `readings.rejected`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer(producer_config(settings))

    def publish(self, topic: str, partition: int, records: Sequence[Unreadable], timeout_s: float = 10) -> None:
        """Returns when Kafka has all of them; raises `KafkaException` if not in time."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        name = topic_name(self._settings, "readings.rejected")
        for record in records:
            value = rejected(record, topic, partition, self._settings.instance).encode()
            self._producer.produce(name, value, on_delivery=delivered)
        deadline = time.monotonic() + timeout_s
        while len(self._producer) and time.monotonic() < deadline:
            self._producer.flush(0.2)
        if len(self._producer):
            self._producer.purge()
            self._producer.flush(1)
        if failures:
            raise KafkaException(failures[0])


def rejected(record: Unreadable, topic: str, partition: int, instance: str) -> Rejected:
    """The record of `readings.rejected` that tells of an undecodable one."""
    return Rejected(
        original=record.data[:KEPT_BYTES],
        truncated=len(record.data) > KEPT_BYTES,
        source="sink",
        gateway=instance,
        origin=f"{topic}/{partition}/{record.offset}",
        kind=topic.removeprefix("readings.") if topic.startswith("readings.") else "",
        reason=str(Reason.POISON),
        detail=record.why,
        received_at=record.log_time,
    )
