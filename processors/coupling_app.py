"""The coupling service: a Faust worker that follows `signals` and `events`. A thin shell around `CouplingWorker`.

Events from outside are written into `signals` first, as signals of type `event`: one log holds all that couplings are
made of, so that their order is the same for everyone who reads it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
import time
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.city import City
from processors.core.coupling import event_signal
from processors.coupling_state import TOPIC, load
from processors.coupling_worker import CouplingWorker, MissedError, Record
from processors.couplings import load_couplings
from processors.ruleset import load_rules
from processors.zones import load_zones
from runtime.health import HealthServer
from runtime.kafka import group_name, member_id, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.records import Event, Signal, ZoneRisk
from schemas.registry import ZONE_LEVELS, Snapshot, zone_at
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

EXIT_BROKEN = 70
_LOOK_AFTER_S = 0.25


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises `processors.ruleset.RuleError`, `schemas.kinds.KindError` or `schemas.departments.DepartmentsError` before it
    connects to anything.
    """
    departments = load_departments(settings.departments_file)
    paths = [settings.rules_dir] if settings.rules_dir else None
    rules = load_rules(paths, load_kinds(*settings.kinds_dirs), departments, timezone=settings.timezone)
    couplings, zones = load_couplings(paths, rules, departments), load_zones(paths, departments)
    follower = RegistryFollower(settings)
    outlet = FaustOutlet(settings)
    worker = CouplingWorker(
        lambda: City(couplings, zones), outlet, lambda: load(settings),
        lambda version: _registry(follower, version), checkpoint_s=settings.checkpoint_s,
    )  # fmt: skip
    # set by an empty assignment too: another replica may have the partitions, this one is ready to take over
    assigned = threading.Event()
    datadir = tempfile.TemporaryDirectory(prefix="riskstream-coupling-")
    app = outlet.app = make_app(settings, worker, outlet, assigned, datadir.name)
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("registry", follower.problem)
    health.ready("kafka", lambda: None if assigned.is_set() else "no assignment yet")
    follower.start()
    health.start()
    log.info("%d couplings; metrics on port %d", len(couplings), health.port)
    try:
        service = faust.Worker(
            app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
        )
        service.spinner = None  # it would write escape sequences, into files too
        service.execute_from_commandline()
    finally:
        follower.stop()
        datadir.cleanup()
        health.stop()


def _registry(follower: RegistryFollower, version: int) -> Snapshot:
    """The registry of that version; waits until it has been read."""
    while follower.reached() < version:
        time.sleep(0.05)
    return follower.at(version)


def make_app(
    settings: Settings, worker: CouplingWorker, outlet: FaustOutlet, assigned: threading.Event, datadir: str
) -> faust.App:
    """The Faust app: one agent a topic. `assigned` is set when the group has said what this worker has."""
    app = faust.App(
        group_name(settings, "coupling"),
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        autodiscover=False,
        origin="processors",
        datadir=datadir,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member_id(settings, "coupling", ("signals", "events")),
        broker_session_timeout=settings.kafka_session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.kafka_session_timeout_ms / 3000,
        broker_commit_interval=1.0,
        # a held record would make it wait in a rebalance until it is evicted
        stream_wait_empty=False,
        producer_acks=-1,
        producer_compression_type="lz4",
    )
    signals, events = (
        app.topic(topic_name(settings, name), key_type=bytes, value_type=bytes, key_serializer="raw",
                  value_serializer="raw")
        for name in ("signals", "events")
    )  # fmt: skip

    async def couple(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await _take(app, worker, event)
            except Exception as error:
                # Faust would restart the agent behind this record: nobody would ever judge it
                _end(f"cannot go on at {_origin(event)}", error)

    async def take_in(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await outlet.signals(_from_outside(event))
                event.ack()
            except Exception as error:
                _end(f"cannot go on at {_origin(event)}", error)

    app.agent(signals, name="couple")(couple)
    app.agent(events, name="take-in-events")(take_in)

    async def on_revoked(_: Any, revoked: set[TP], **__: Any) -> None:
        if any(tp.topic == topic_name(settings, "signals") for tp in revoked):
            worker.revoked()

    async def on_assigned(_: Any, __: set[TP], **___: Any) -> None:
        assigned.set()

    async def on_shutdown(_: Any, **__: Any) -> None:
        await worker.save()
        await app.consumer.commit()

    async def look_after() -> None:
        try:
            await worker.look_after()
        except Exception as error:
            _end("cannot save the state", error)

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
    app.timer(interval=_LOOK_AFTER_S, name="states and ticks")(look_after)
    return app


async def _take(app: faust.App, worker: CouplingWorker, event: EventT[bytes]) -> None:
    message = event.message
    record = Record(message.offset, round(message.timestamp * 1000), message.value or b"", event.ack)
    try:
        await worker.take(record)
    except MissedError as error:
        partition = TP(message.topic, message.partition)
        begin = (await app.consumer.earliest_offsets(partition))[partition]
        offset = max(begin, error.offset)
        log.warning("%s; reading again from offset %d (the log begins at %d)", error, offset, begin)
        worker.expect(offset)
        await app.consumer.seek(partition, offset)


def _from_outside(event: EventT[bytes]) -> list[Signal]:
    message = event.message
    try:
        return [event_signal(Event.decode(message.value or b""), message.partition, message.offset)]
    except DecodeError as error:
        log.error("%s is no event: %s", _origin(event), error)
        return []


def _origin(event: EventT[bytes]) -> str:
    return f"{event.message.topic}/{event.message.partition}/{event.message.offset}"


def _end(why: str, error: Exception) -> None:
    """End the process at once: what is not acknowledged comes again, to the next worker."""
    log.critical("%s", why, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_BROKEN)


class FaustOutlet:
    """Publishes with Faust's producer and waits until Kafka has it; while Kafka is away it tries again, for ever."""

    def __init__(self, settings: Settings) -> None:
        self.app: faust.App | None = None
        self._signals, self._risks, self._state = (
            topic_name(settings, name) for name in ("signals", "zones.risk", TOPIC)
        )

    async def signals(self, signals: list[Signal]) -> None:
        now = round(time.time() * 1000)
        for signal in signals:
            signal.published_at = now
        await self._deliver(
            [(self._signals, zone_at(one.zone, ZONE_LEVELS[0]).encode(), one.encode()) for one in signals]
        )

    async def risks(self, risks: list[ZoneRisk]) -> int:
        return await self._deliver([(self._risks, one.zone.encode(), one.encode()) for one in risks])

    async def state(self, entries: list[tuple[str, bytes | None]]) -> None:
        await self._deliver([(self._state, key.encode(), value) for key, value in entries])

    async def _deliver(self, records: list[tuple[str, bytes, bytes | None]]) -> int:
        """The last offset; −1 without records."""
        if not records:
            return -1
        if self.app is None:
            raise RuntimeError("the outlet has no app yet")
        wait = 0.1
        while True:
            try:
                futures = [
                    await self.app.producer.send(topic, key, value, 0, None, {}) for topic, key, value in records
                ]
                return max(int(one.offset) for one in await asyncio.gather(*futures))
            except Exception as error:
                log.warning("cannot publish, trying again in %.1f s: %r", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
