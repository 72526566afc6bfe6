"""The processor: a Faust worker that judges readings and publishes signals. A thin shell around `processors.judge`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.judge import Judge
from processors.ruleset import load_rules
from runtime import metrics
from runtime.health import HealthServer
from runtime.kafka import group_name, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings
from schemas.kinds import Kind, load_kinds
from schemas.records import Rejected, Signal
from schemas.registry import ZONE_LEVELS, zone_at
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

EXIT_BROKEN = 70


def run(settings: Settings, only: list[str] | None = None) -> None:
    """Run a worker for the named kinds, or for all, until SIGTERM or SIGINT.

    Raises `processors.ruleset.RuleError` and `schemas.kinds.KindError` before it connects to anything.
    """
    kinds = load_kinds(*settings.kinds_dirs)
    rules = load_rules([settings.rules_dir] if settings.rules_dir else None, kinds)
    registry = RegistryFollower(settings)
    chosen = [kinds[name] for name in only] if only else list(kinds.values())
    judge = Judge(kinds, rules, registry.snapshot)
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    owned: set[tuple[str, int]] = set()
    app = make_app(settings, chosen, judge, owned)
    health.ready("registry", registry.problem)
    health.ready("kafka", lambda: None if owned else "no partitions assigned yet")
    registry.start()
    health.start()
    log.info("judging %s; metrics on port %d", ", ".join(kind.name for kind in chosen), health.port)
    while not registry.wait_ready(timeout=5):
        log.warning("waiting for the registry: %s", registry.problem())
    try:
        faust.Worker(
            app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
        ).execute_from_commandline()
    finally:
        registry.stop()
        health.stop()


def make_app(settings: Settings, kinds: list[Kind], judge: Judge, owned: set[tuple[str, int]]) -> faust.App:
    """The Faust app: one agent a kind, signals delivered before a record is acknowledged.

    `owned` is kept up to date with the kinds and partitions that this worker has.
    """
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
    publisher = _Publisher(app, settings)
    for topic, kind in names.items():
        channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=f"judge-{kind}")(_agent(settings, kind, judge, publisher))

    async def drop_what_moved(_: Any, assigned: set[TP], **__: Any) -> None:
        owned.clear()
        owned.update((names[tp.topic], tp.partition) for tp in assigned if tp.topic in names)
        judge.keep_only(owned)

    app.on_partitions_assigned.connect(drop_what_moved, weak=False)
    return app


def _agent(settings: Settings, kind: str, judge: Judge, publisher: _Publisher) -> Callable[[StreamT[bytes]], Any]:
    offsets: Mapping[int, Any] = _OffsetGauges(kind)

    async def agent(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            message = event.message
            try:
                await _judge_one(event, kind, judge, publisher, settings)
            except Exception:
                # Faust would restart the agent behind this record: nobody would ever judge it
                log.critical(
                    "cannot go on at %s partition %d offset %d", message.topic, message.partition, message.offset,
                    exc_info=True,
                )  # fmt: skip
                logging.shutdown()
                os._exit(EXIT_BROKEN)
            event.ack()
            offsets[message.partition].set(message.offset)

    return agent


async def _judge_one(event: EventT[bytes], kind: str, judge: Judge, publisher: _Publisher, settings: Settings) -> None:
    message = event.message
    value = message.value or b""
    try:
        signals = judge.take(kind, message.partition, message.offset, round(message.timestamp * 1000), value)
    except DecodeError as error:
        metrics.PROCESSOR_REJECTED.labels(kind).inc()
        origin = f"{message.topic}/{message.partition}/{message.offset}"
        log.error("%s is rejected: %s", origin, error)
        await publisher.rejected(
            Rejected(
                original=value, source="processor", gateway=settings.instance, origin=origin, reason="unreadable",
                detail=str(error), received_at=round(time.time() * 1000), kind=kind,
            )
        )  # fmt: skip
        return
    if signals:
        await publisher.signals(signals)


class _OffsetGauges(dict[int, Any]):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, partition: int) -> Any:
        gauge = self[partition] = metrics.PROCESSOR_OFFSET.labels(self._kind, str(partition))
        return gauge


class _Publisher:
    """Publishes and waits until Kafka has it; while Kafka is away it tries again, for ever."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        self._app = app
        self._signals = topic_name(settings, "signals")
        self._rejected = topic_name(settings, "readings.rejected")

    async def signals(self, signals: list[Signal]) -> None:
        now = round(time.time() * 1000)
        for signal in signals:
            signal.published_at = now
        # one after the other into one partition: their order is the log's order
        await self._deliver(
            [(self._signals, zone_at(signal.zone, ZONE_LEVELS[0]).encode(), signal.encode()) for signal in signals]
        )

    async def rejected(self, rejected: Rejected) -> None:
        await self._deliver([(self._rejected, None, rejected.encode())])

    async def _deliver(self, records: list[tuple[str, bytes | None, bytes]]) -> None:
        wait = 0.1
        while True:
            try:
                futures = [
                    await self._app.producer.send(topic, key, value, None, None, {}) for topic, key, value in records
                ]
                await asyncio.gather(*futures)
            except Exception as error:
                log.warning("cannot publish, trying again in %.1f s: %r", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                return
