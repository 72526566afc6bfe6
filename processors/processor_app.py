"""The processor: a Faust worker that judges readings and publishes signals. A thin shell around `processors.worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.checkpoint.plan import Entry
from processors.checkpoint.topic import CheckpointTopics, checkpoint_topic
from processors.control import Control
from processors.lanes import Lanes
from processors.standards import LiveStandards, own_rules
from processors.worker import MissedError, Owned, Record, Worker
from runtime.health import HealthServer
from runtime.kafka import group_name, member_id, topic_name
from runtime.settings import Settings, SettingsError
from schemas.batch import CONTROL_HEADER, empty_batch, encode_batch
from schemas.kinds import Kind, load_kinds
from schemas.records import Rejected, Signal
from schemas.registry import ZONE_LEVELS, zone_at

log = logging.getLogger(__name__)

EXIT_BROKEN = 70
_LOOK_AFTER_S = 0.25


def run(settings: Settings, only: list[str] | None = None) -> None:
    """Run a worker for the named kinds, or for all, until SIGTERM or SIGINT.

    Raises `SettingsError`, `processors.ruleset.RuleError` or `schemas.kinds.KindError` before it connects to anything.
    """
    kinds = load_kinds(*settings.kinds_dirs)
    unknown = [name for name in only or () if name not in kinds]
    if unknown:
        raise SettingsError(f"--kinds names {', '.join(unknown)}; allowed: all, or some of {', '.join(sorted(kinds))}")
    standards = LiveStandards(settings, kinds, own_rules(settings, kinds))
    chosen = [kinds[name] for name in only] if only else list(kinds.values())
    outlet = FaustOutlet(settings)
    worker = Worker(
        kinds, standards, outlet, CheckpointTopics(settings),
        instance=settings.instance, checkpoint_s=settings.checkpoint_s, tick_s=settings.tick_s,
    )  # fmt: skip
    owned: set[Owned] = set()
    datadir = tempfile.TemporaryDirectory(prefix="riskstream-processor-")
    app = make_app(settings, chosen, worker, owned, datadir.name)
    outlet.app = app
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("standards", standards.problem)
    health.ready("kafka", lambda: None if owned else "no partitions assigned yet")
    standards.start()
    health.start()
    log.info("judging %s; metrics on port %d", ", ".join(kind.name for kind in chosen), health.port)
    try:
        service = faust.Worker(
            app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
        )
        service.spinner = None  # it would write escape sequences, into files too
        service.execute_from_commandline()
    finally:
        standards.stop()
        datadir.cleanup()
        health.stop()


def make_app(settings: Settings, kinds: list[Kind], worker: Worker, owned: set[Owned], datadir: str) -> faust.App:
    """The Faust app: one agent a kind. `owned` is kept up to date with what this worker has."""
    app = faust.App(
        group_name(settings, "processor" if len(kinds) > 1 else f"processor-{kinds[0].name}"),
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        autodiscover=False,
        origin="processors",
        # nothing is ever written there, but Faust makes the folder
        datadir=datadir,
        # an own health server answers; Faust's would take port 6066 of every worker
        web_enabled=False,
        # topics are made by `riskstream migrate`, all of them
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member_id(settings, "processor", (kind.topic for kind in kinds)),
        broker_session_timeout=settings.kafka_session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.kafka_session_timeout_ms / 3000,
        broker_commit_interval=1.0,
        # a held record would make it wait in a rebalance until it is evicted
        stream_wait_empty=False,
        producer_acks=-1,
        producer_compression_type="lz4",
    )
    names = {topic_name(settings, kind.topic): kind.name for kind in kinds}
    lanes: Lanes[Owned, EventT[bytes]] = Lanes(
        lambda event: _take(app, worker, names[event.message.topic], event),
        # Faust would restart the agent behind this record: nobody would ever judge it
        lambda event, error: _end(f"cannot go on at {_origin(event)}", error),
    )
    for topic, kind in names.items():
        channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=f"judge-{kind}")(_agent(kind, lanes))

    def ours(partitions: set[TP]) -> set[Owned]:
        return {(names[tp.topic], tp.partition) for tp in partitions if tp.topic in names}

    async def on_revoked(_: Any, revoked: set[TP], **__: Any) -> None:
        lanes.clear(ours(revoked))
        worker.revoked(ours(revoked))

    async def on_assigned(_: Any, assigned: set[TP], **__: Any) -> None:
        owned.clear()
        owned.update(ours(assigned))
        worker.assigned(owned)

    async def on_shutdown(_: Any, **__: Any) -> None:
        await worker.save_all()
        await app.consumer.commit()

    async def look_after() -> None:
        try:
            await worker.look_after()
        except Exception as error:
            _end("cannot go on", error)

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
    app.timer(interval=_LOOK_AFTER_S, name="checkpoints and control records")(look_after)
    return app


def _agent(kind: str, lanes: Lanes[Owned, EventT[bytes]]) -> Callable[[StreamT[bytes]], Any]:
    async def agent(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            await lanes.put((kind, event.message.partition), event)

    return agent


async def _take(app: faust.App, worker: Worker, kind: str, event: EventT[bytes]) -> None:
    message = event.message
    record = Record(
        kind, message.partition, message.offset, round(message.timestamp * 1000), message.value or b"",
        _origin(event), event.ack, _control_of(message.headers),
    )  # fmt: skip
    try:
        await worker.take(record)
    except MissedError as error:
        partition = TP(message.topic, message.partition)
        begin = (await app.consumer.earliest_offsets(partition))[partition]
        offset = max(begin, error.offset)
        log.warning("%s; reading again from offset %d (the log begins at %d)", error, offset, begin)
        worker.expect(error.owned, offset)
        await app.consumer.seek(partition, offset)


def _origin(event: EventT[bytes]) -> str:
    return f"{event.message.topic}/{event.message.partition}/{event.message.offset}"


def _control_of(headers: Any) -> str:
    """The text of a control record, empty for readings; Kafka allows a header more than once: the first counts."""
    for name, value in headers or ():
        if name == CONTROL_HEADER:
            return bytes(value or b"").decode("utf-8", "replace") or "?"
    return ""


def _end(why: str, error: Exception) -> None:
    """End the process at once: what is not acknowledged comes again, to the next worker."""
    log.critical("%s", why, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_BROKEN)


_Out = tuple[str, int | None, bytes | None, bytes | None, dict[str, bytes]]
"""Topic, partition, key, value and headers."""


class FaustOutlet:
    """Publishes with Faust's producer and waits until Kafka has it; while Kafka is away it tries again, for ever."""

    def __init__(self, settings: Settings) -> None:
        self.app: faust.App | None = None
        self._settings = settings
        self._signals = topic_name(settings, "signals")
        self._rejected = topic_name(settings, "readings.rejected")

    async def signals(self, signals: list[Signal]) -> None:
        now = round(time.time() * 1000)
        for signal in signals:
            signal.published_at = now
        # one after the other into one partition: their order is the log's order
        await self._deliver(
            [(self._signals, None, zone_at(s.zone, ZONE_LEVELS[0]).encode(), s.encode(), {}) for s in signals]
        )

    async def rejected(self, rejected: Rejected) -> None:
        await self._deliver([(self._rejected, None, None, rejected.encode(), {})])

    async def control(self, kind: Kind, partition: int, control: Control, registry_version: int) -> None:
        now = round(time.time() * 1000)
        value = encode_batch(kind, empty_batch(kind, self._settings.instance, "processor", now, registry_version))
        headers = {CONTROL_HEADER: str(control).encode()}
        await self._deliver([(topic_name(self._settings, kind.topic), partition, None, value, headers)])

    async def checkpoint(self, kind: Kind, partition: int, entries: list[Entry]) -> int:
        topic = checkpoint_topic(self._settings, kind)
        return await self._deliver([(topic, partition, key.encode(), value, {}) for key, value in entries])

    async def _deliver(self, records: list[_Out]) -> int:
        """The last offset; −1 without records."""
        if not records:
            return -1
        if self.app is None:
            raise RuntimeError("the outlet has no app yet")
        wait = 0.1
        while True:
            try:
                futures = [
                    await self.app.producer.send(topic, key, value, partition, None, headers)
                    for topic, partition, key, value, headers in records
                ]
                return max(int(one.offset) for one in await asyncio.gather(*futures))
            except Exception as error:
                log.warning("cannot publish, trying again in %.1f s: %r", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
