"""The ClickHouse sink: stores readings, signals, alerts, rejected readings and the registry from their topics."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Message

from runtime.health import HealthServer
from runtime.metrics import SINK_AWAY, SINK_POSITION, SINK_REJECTED
from runtime.settings import Settings
from schemas.kinds import Kind, load_kinds
from schemas.wire import DecodeError
from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError
from sinks.feeds import feeds
from sinks.log_reader import LogReader, Owned
from sinks.ranges import Unreadable
from sinks.rows.place import Placed
from sinks.unreadable import Limit, RejectedPublisher, SinkStoppedError
from sinks.writer import Writer

log = logging.getLogger(__name__)

GROUP = "sink"
# a range is cut at this size, so that one insert stays well within the server's memory
_RANGE_BYTES = 16 * 2**20
# all that is collected and not stored yet; above it every partition is cut at once
_COLLECTED_BYTES = 128 * 2**20
_CONSUME_RECORDS = 1000
_CONSUME_SECONDS = 0.05
_STUCK_SECONDS = 120.0
_BACKOFF_SECONDS = (0.2, 10.0)


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then store what was collected and end.

    Exits with 1 after saying why when a topic holds too much that cannot be decoded. Raises `KafkaException` for an
    error of Kafka that only a restart can mend.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sink = Sink(settings, load_kinds(*settings.kinds_dirs))
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.alive("sink", sink.stuck)
    health.ready("sink", sink.problem)
    health.start()
    log.info("sink started; metrics and health on http://%s:%d", settings.metrics_host, health.port)
    try:
        sink.run(stop.is_set)
    except SinkStoppedError as error:
        log.critical("the sink ends: %s", error)
        sys.exit(1)
    finally:
        health.stop()


class Sink:
    """At least once from Kafka, once into ClickHouse: each range is inserted under tokens that its offsets name.

    While ClickHouse is away or refuses, the partitions concerned are paused and the same inserts repeated with
    growing pauses; nothing is dropped and memory stays bounded.
    """

    def __init__(self, settings: Settings, kinds: Mapping[str, Kind]) -> None:
        self._settings = settings
        self._feeds = feeds(kinds)
        self._reader = LogReader(settings, GROUP, self._feeds)
        self._writer = Writer(settings)
        self._publisher = RejectedPublisher(settings)
        self._limits = {topic: Limit(topic, settings.rejected_share_limit) for topic in self._feeds}
        self._problem: str | None = None
        self._refusals: dict[tuple[str, str], str] = {}
        self._retry_at = 0.0
        self._pause = _BACKOFF_SECONDS[0]
        self._progress = time.monotonic()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until `stopped()`; then what was collected is stored, if ClickHouse takes it within the grace period."""
        try:
            while not stopped():
                self._take(self._reader.consume(_CONSUME_RECORDS, _CONSUME_SECONDS))
                self._store(all_of_it=False)
                self._progress = time.monotonic()
            self._reader.pause_all()
            deadline = time.monotonic() + self._settings.drain_s
            while self._store(all_of_it=True) and time.monotonic() < deadline:
                # keeps the membership alive while ClickHouse is away
                self._take(self._reader.consume(_CONSUME_RECORDS, _CONSUME_SECONDS))
        finally:
            self._reader.close()
            self._writer.close()

    def problem(self) -> str | None:
        """Why it is not ready; None if it is."""
        refused = next(iter(self._refusals.items()), None)
        if refused is not None:
            (topic, partition), why = refused
            return f"ClickHouse refuses rows of {topic}/{partition}: {why}"
        return self._problem or self._reader.problem()

    def stuck(self) -> str | None:
        """Why only a restart can help; None if it works or waits as it should."""
        silence = time.monotonic() - self._progress
        return f"the loop has not turned for {silence:.0f} s" if silence > _STUCK_SECONDS else None

    def _take(self, messages: list[Message]) -> None:
        now = time.monotonic()
        for message in messages:
            owned = self._reader.owned(message)
            if owned is None:
                continue
            data = message.value() or b""
            record = self._decode(owned, message, data)
            owned.collector.add(record, len(data), now)

    def _decode(self, owned: Owned, message: Message, data: bytes) -> Placed[Any] | Unreadable:
        feed = owned.collector.feed
        offset, log_time = message.offset(), max(0, message.timestamp()[1])
        try:
            value = feed.decode(data, message.headers())
        except DecodeError as error:
            log.warning("%s/%d/%d cannot be decoded: %s", feed.topic, message.partition(), offset, error)
            SINK_REJECTED.labels(feed.topic).inc()
            self._limits[feed.topic].count(bad=True)
            return Unreadable(offset, log_time, data, str(error))
        self._limits[feed.topic].count(bad=False)
        return Placed(value, offset, log_time)

    def _store(self, *, all_of_it: bool) -> bool:
        """Cut what is due and insert what is cut. Returns whether anything is left to store."""
        now = time.monotonic()
        owned_now = self._reader.all()
        everything = all_of_it or sum(owned.collector.size for owned in owned_now) > _COLLECTED_BYTES
        for owned in owned_now:
            if owned.pending is None and (everything or self._due(owned, now)) and not owned.collector.replaying():
                owned.pending = owned.collector.cut()
        waiting = [owned for owned in owned_now if owned.pending is not None and now >= owned.retry_at]
        if waiting and now >= self._retry_at:
            self._insert(waiting)
        return any(owned.pending is not None for owned in owned_now)

    def _due(self, owned: Owned, now: float) -> bool:
        settings = self._settings
        return owned.collector.due(now, settings.sink_flush_ms / 1000, settings.sink_flush_rows, _RANGE_BYTES)

    def _insert(self, waiting: list[Owned]) -> None:
        try:
            self._reader.commit_intents(waiting)
            for owned in waiting:
                try:
                    self._insert_range(owned)
                except ClickHouseRefusedError as error:
                    # of this table only, perhaps: the others go on
                    self._refused(owned, error)
        except (ClickHouseAwayError, KafkaException) as error:
            self._hold_back(error)
        else:
            if self._problem:
                log.info("storing in ClickHouse")
            self._problem, self._pause, self._retry_at = None, _BACKOFF_SECONDS[0], 0.0
            SINK_AWAY.set(0)
        finally:
            self._finish([owned for owned in waiting if owned.stored])

    def _insert_range(self, owned: Owned) -> None:
        pending = owned.pending
        if pending is None:
            return
        while owned.inserted < len(pending.inserts):
            self._writer.write(pending.inserts[owned.inserted])
            owned.inserted += 1
            self._progress = time.monotonic()
        if pending.unreadable:
            self._publisher.publish(owned.collector.feed.topic, owned.collector.log.partition, pending.unreadable)
        owned.stored = True

    def _finish(self, stored: list[Owned]) -> None:
        for owned in stored:
            if owned.pending is not None:
                place = (owned.collector.feed.topic, str(owned.collector.log.partition))
                SINK_POSITION.labels(*place).set(owned.pending.last + 1)
                self._refusals.pop(place, None)
        self._reader.commit_stored(stored)

    def _refused(self, owned: Owned, error: ClickHouseRefusedError) -> None:
        place = (owned.collector.feed.topic, str(owned.collector.log.partition))
        if place not in self._refusals:
            log.error("ClickHouse refuses rows of %s/%s, trying again and again: %s", *place, error)
        self._refusals[place] = str(error)
        owned.retry_at = time.monotonic() + _BACKOFF_SECONDS[1]
        self._reader.pause(owned)

    def _hold_back(self, error: Exception) -> None:
        text = str(error.args[0]) if isinstance(error, KafkaException) else str(error)
        if self._problem is None:
            log.warning("cannot store, holding back and trying again: %s", text)
        self._problem = text
        SINK_AWAY.set(1)
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _BACKOFF_SECONDS[1])
        for owned in self._reader.all():
            if owned.pending is not None:
                self._reader.pause(owned)


__all__ = ["GROUP", "Sink", "SinkStoppedError", "run"]
