"""The coupling service: a Faust worker that follows `signals` and `events`. A thin shell around `CouplingWorker`.

Events from outside are written into `signals` first, as signals of type `event`: one log holds all that couplings are
made of, so that their order is the same for everyone who reads it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.core.coupling import event_signal
from processors.coupling_state import TOPIC, load
from processors.coupling_worker import CouplingWorker, MissedError, Record
from processors.faust_shell import (
    Out,
    Publisher,
    end_process,
    faust_folder,
    nearest,
    new_app,
    origin,
    raw_topic,
    run_app,
    set_back,
)
from processors.standards import LiveStandards, own_standard
from runtime.health import HealthServer
from runtime.kafka import topic_name
from runtime.settings import Settings
from schemas.kinds import load_kinds
from schemas.records import Event, Signal, ZoneRisk
from schemas.registry import ZONE_LEVELS, zone_at
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

_LOOK_AFTER_S = 0.25


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises `processors.ruleset.RuleError`, `schemas.kinds.KindError` or `schemas.departments.DepartmentsError` before it
    connects to anything.
    """
    kinds = load_kinds(*settings.kinds_dirs)
    standards = LiveStandards(settings, kinds, own_standard(settings, kinds))
    outlet = FaustOutlet(settings)
    worker = CouplingWorker(standards, outlet, lambda: load(settings), checkpoint_s=settings.checkpoint_s)
    # set by an empty assignment too: another replica may have the partitions, this one is ready to take over
    assigned = threading.Event()
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("standards", standards.problem)
    health.ready("kafka", lambda: None if assigned.is_set() else "no assignment yet")
    standards.start()
    health.start()
    log.info("metrics on port %d", health.port)
    try:
        with faust_folder() as folder:
            outlet.app = make_app(settings, worker, outlet, assigned, folder)
            run_app(outlet.app, settings)
    finally:
        standards.stop()
        health.stop()


def make_app(
    settings: Settings, worker: CouplingWorker, outlet: FaustOutlet, assigned: threading.Event, folder: str
) -> faust.App:
    """The Faust app: one agent a topic. `assigned` is set when the group has said what this worker has."""
    app = new_app(settings, "coupling", "coupling", ("signals", "events"), folder)

    async def couple(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await _take(app, worker, event)
            except Exception as error:
                # Faust would restart the agent behind this record: nobody would ever judge it
                end_process(f"cannot go on at {origin(event)}", error)

    async def take_in(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await outlet.signals(_from_outside(event))
                event.ack()
            except Exception as error:
                end_process(f"cannot go on at {origin(event)}", error)

    app.agent(raw_topic(app, settings, "signals"), name="couple")(couple)
    app.agent(raw_topic(app, settings, "events"), name="take-in-events")(take_in)

    async def on_revoked(_: Any, revoked: set[TP], **__: Any) -> None:
        if any(tp.topic == topic_name(settings, "signals") for tp in revoked):
            worker.revoked()

    async def on_assigned(_: Any, given: set[TP], **__: Any) -> None:
        if any(tp.topic == topic_name(settings, "signals") for tp in given):
            worker.assigned()
        assigned.set()

    async def on_shutdown(_: Any, **__: Any) -> None:
        await worker.save()
        await app.consumer.commit()

    async def look_after() -> None:
        try:
            await worker.look_after()
        except Exception as error:
            end_process("cannot save the state", error)

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
        offset = await nearest(app, event, error.offset)
        log.warning("%s; reading again from offset %d", error, offset)
        worker.expect(offset)
        await set_back(app, event, offset)


def _from_outside(event: EventT[bytes]) -> list[Signal]:
    message = event.message
    try:
        return [event_signal(Event.decode(message.value or b""), message.partition, message.offset)]
    except DecodeError as error:
        log.error("%s is no event: %s", origin(event), error)
        return []


class FaustOutlet(Publisher):
    """Where the worker's results go; one partition owns the city."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._signals, self._risks, self._state = (
            topic_name(settings, name) for name in ("signals", "zones.risk", TOPIC)
        )

    async def signals(self, signals: list[Signal]) -> None:
        now = round(time.time() * 1000)
        for signal in signals:
            signal.published_at = now
        await self.deliver(
            [Out(self._signals, one.encode(), zone_at(one.zone, ZONE_LEVELS[0]).encode(), 0) for one in signals]
        )

    async def risks(self, risks: list[ZoneRisk]) -> int:
        return await self.deliver([Out(self._risks, one.encode(), one.zone.encode(), 0) for one in risks])

    async def state(self, entries: list[tuple[str, bytes | None]]) -> None:
        await self.deliver([Out(self._state, value, key.encode(), 0) for key, value in entries])
