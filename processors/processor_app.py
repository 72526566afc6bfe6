"""The processor: a Faust worker that judges readings and publishes signals. A thin shell around `processors.worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.checkpoint.plan import Entry
from processors.checkpoint.topic import checkpoint_topic, take_over
from processors.ruleset import load_rules
from processors.worker import MissedError, Owned, Record, Worker
from runtime.health import HealthServer
from runtime.kafka import group_name, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings, SettingsError
from schemas.kinds import Kind, load_kinds
from schemas.records import Rejected, Signal
from schemas.registry import ZONE_LEVELS, zone_at

log = logging.getLogger(__name__)

EXIT_BROKEN = 70
_SAVE_CHECK_S = 0.5


def run(settings: Settings, only: list[str] | None = None) -> None:
    """Run a worker for the named kinds, or for all, until SIGTERM or SIGINT.

    Raises `SettingsError`, `processors.ruleset.RuleError` or `schemas.kinds.KindError` before it connects to anything.
    """
    kinds = load_kinds(*settings.kinds_dirs)
    unknown = [name for name in only or () if name not in kinds]
    if unknown:
        raise SettingsError(f"--kinds names {', '.join(unknown)}; allowed: all, or some of {', '.join(sorted(kinds))}")
    rules = load_rules([settings.rules_dir] if settings.rules_dir else None, kinds)
    registry = RegistryFollower(settings)
    chosen = [kinds[name] for name in only] if only else list(kinds.values())
    outlet = FaustOutlet(settings)
    worker = Worker(
        kinds, rules, outlet,
        take_over=lambda kind, partition: take_over(settings, kind, partition),
        registry=registry.at_least, instance=settings.instance, checkpoint_s=settings.checkpoint_s,
    )  # fmt: skip
    owned: set[Owned] = set()
    app = make_app(settings, chosen, worker, owned)
    outlet.app = app
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("registry", registry.problem)
    health.ready("kafka", lambda: None if owned else "no partitions assigned yet")
    registry.start()
    health.start()
    log.info("judging %s; metrics on port %d", ", ".join(kind.name for kind in chosen), health.port)
    try:
        faust.Worker(
            app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
        ).execute_from_commandline()
    finally:
        registry.stop()
        health.stop()


def make_app(settings: Settings, kinds: list[Kind], worker: Worker, owned: set[Owned]) -> faust.App:
    """The Faust app: one agent a kind. `owned` is kept up to date with what this worker has."""
    app = faust.App(
        group_name(settings, "processor" if len(kinds) > 1 else f"processor-{kinds[0].name}"),
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        autodiscover=False,
        origin="processors",
        # an own health server answers; Faust's would take port 6066 of every worker
        web_enabled=False,
        # topics are made by `riskstream migrate`, all of them
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"processor-{settings.instance}",
        broker_session_timeout=settings.kafka_session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.kafka_session_timeout_ms / 3000,
        broker_commit_interval=1.0,
        # a held record would make it wait in a rebalance until it is evicted
        stream_wait_empty=False,
        producer_acks=-1,
        producer_compression_type="lz4",
    )
    names = {topic_name(settings, kind.topic): kind.name for kind in kinds}
    for topic, kind in names.items():
        channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=f"judge-{kind}")(_agent(app, kind, worker))

    def ours(partitions: set[TP]) -> set[Owned]:
        return {(names[tp.topic], tp.partition) for tp in partitions if tp.topic in names}

    async def on_revoked(_: Any, revoked: set[TP], **__: Any) -> None:
        worker.revoked(ours(revoked))

    async def on_assigned(_: Any, assigned: set[TP], **__: Any) -> None:
        owned.clear()
        owned.update(ours(assigned))
        worker.assigned(owned)

    async def on_shutdown(_: Any, **__: Any) -> None:
        await worker.save_all()
        await app.consumer.commit()

    async def save_due() -> None:
        try:
            await worker.save_due()
        except Exception:
            _end("cannot write checkpoints")

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
    app.timer(interval=_SAVE_CHECK_S, name="checkpoints")(save_due)
    return app


def _agent(app: faust.App, kind: str, worker: Worker) -> Callable[[StreamT[bytes]], Any]:
    async def agent(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await _take(app, worker, kind, event)
            except Exception:
                # Faust would restart the agent behind this record: nobody would ever judge it
                _end(f"cannot go on at {_origin(event)}")

    return agent


async def _take(app: faust.App, worker: Worker, kind: str, event: EventT[bytes]) -> None:
    message = event.message
    record = Record(
        kind, message.partition, message.offset, round(message.timestamp * 1000), message.value or b"",
        _origin(event), event.ack,
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


def _end(why: str) -> None:
    """End the process at once: what is not acknowledged comes again, to the next worker."""
    log.critical("%s", why, exc_info=True)
    logging.shutdown()
    os._exit(EXIT_BROKEN)


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
            [(self._signals, None, zone_at(s.zone, ZONE_LEVELS[0]).encode(), s.encode()) for s in signals]
        )

    async def rejected(self, rejected: Rejected) -> None:
        await self._deliver([(self._rejected, None, None, rejected.encode())])

    async def checkpoint(self, kind: Kind, partition: int, entries: list[Entry]) -> None:
        topic = checkpoint_topic(self._settings, kind)
        await self._deliver([(topic, partition, key.encode(), value) for key, value in entries])

    async def _deliver(self, records: list[tuple[str, int | None, bytes | None, bytes | None]]) -> None:
        if not records:
            return
        if self.app is None:
            raise RuntimeError("the outlet has no app yet")
        wait = 0.1
        while True:
            try:
                futures = [
                    await self.app.producer.send(topic, key, value, partition, None, {})
                    for topic, partition, key, value in records
                ]
                await asyncio.gather(*futures)
            except Exception as error:
                log.warning("cannot publish, trying again in %.1f s: %r", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                return
