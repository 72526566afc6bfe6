"""The processor: a Faust worker that judges readings and publishes signals. A thin shell around `processors.worker`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import faust
from faust.types import TP, EventT, StreamT

from processors.checkpoint.plan import Entry
from processors.checkpoint.topic import CheckpointTopics, checkpoint_topic
from processors.control import Control
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
from processors.lanes import Lanes
from processors.standards import LiveStandards, own_standard
from processors.worker import MissedError, Owned, Record, Worker
from runtime.health import HealthServer
from runtime.kafka import topic_name
from runtime.settings import Settings, SettingsError
from schemas.batch import CONTROL_HEADER, empty_batch, encode_batch
from schemas.kinds import Kind, load_kinds
from schemas.records import Rejected, Signal
from schemas.registry import ZONE_LEVELS, zone_at

log = logging.getLogger(__name__)

_LOOK_AFTER_S = 0.25


def run(settings: Settings, only: list[str] | None = None) -> None:
    """Run a worker for the named kinds, or for all, until SIGTERM or SIGINT.

    Raises `SettingsError`, `processors.ruleset.RuleError` or `schemas.kinds.KindError` before it connects to anything.
    """
    kinds = load_kinds(*settings.kinds_dirs)
    unknown = [name for name in only or () if name not in kinds]
    if unknown:
        raise SettingsError(f"--kinds names {', '.join(unknown)}; allowed: all, or some of {', '.join(sorted(kinds))}")
    standards = LiveStandards(settings, kinds, own_standard(settings, kinds))
    chosen = [kinds[name] for name in only] if only else list(kinds.values())
    outlet = FaustOutlet(settings)
    worker = Worker(
        kinds, standards, outlet, CheckpointTopics(settings),
        instance=settings.instance, checkpoint_s=settings.checkpoint_s, tick_s=settings.tick_s,
    )  # fmt: skip
    owned: set[Owned] = set()
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.ready("standards", standards.problem)
    health.ready("kafka", lambda: None if owned else "no partitions assigned yet")
    standards.start()
    health.start()
    log.info("judging %s; metrics on port %d", ", ".join(kind.name for kind in chosen), health.port)
    try:
        with faust_folder() as folder:
            outlet.app = make_app(settings, chosen, worker, owned, folder)
            run_app(outlet.app, settings)
    finally:
        standards.stop()
        health.stop()


def make_app(settings: Settings, kinds: list[Kind], worker: Worker, owned: set[Owned], folder: str) -> faust.App:
    """The Faust app: one agent a kind. `owned` is kept up to date with what this worker has."""
    group = "processor" if len(kinds) > 1 else f"processor-{kinds[0].name}"
    app = new_app(settings, group, "processor", [kind.topic for kind in kinds], folder)
    names = {topic_name(settings, kind.topic): kind.name for kind in kinds}
    lanes: Lanes[Owned, EventT[bytes]] = Lanes(
        lambda event: _take(app, worker, names[event.message.topic], event),
        # Faust would restart the agent behind this record: nobody would ever judge it
        lambda event, error: end_process(f"cannot go on at {origin(event)}", error),
    )
    for kind in kinds:
        app.agent(raw_topic(app, settings, kind.topic), name=f"judge-{kind.name}")(_agent(kind.name, lanes))

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
            end_process("cannot go on", error)

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
        origin(event), event.ack, _control_of(message.headers),
    )  # fmt: skip
    try:
        await worker.take(record)
    except MissedError as error:
        offset = await nearest(app, event, error.offset)
        log.warning("%s; reading again from offset %d", error, offset)
        worker.expect(error.owned, offset)
        await set_back(app, event, offset)


def _control_of(headers: Any) -> str:
    """The text of a control record, empty for readings; Kafka allows a header more than once: the first counts."""
    for name, value in headers or ():
        if name == CONTROL_HEADER:
            return bytes(value or b"").decode("utf-8", "replace") or "?"
    return ""


class FaustOutlet(Publisher):
    """Where the worker's results go."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._signals = topic_name(settings, "signals")
        self._rejected = topic_name(settings, "readings.rejected")

    async def signals(self, signals: list[Signal]) -> None:
        now = round(time.time() * 1000)
        for signal in signals:
            signal.published_at = now
        # one after the other into one partition: their order is the log's order
        await self.deliver(
            [Out(self._signals, one.encode(), zone_at(one.zone, ZONE_LEVELS[0]).encode()) for one in signals]
        )

    async def rejected(self, rejected: Rejected) -> None:
        await self.deliver([Out(self._rejected, rejected.encode())])

    async def control(self, kind: Kind, partition: int, control: Control, registry_version: int) -> None:
        now = round(time.time() * 1000)
        value = encode_batch(kind, empty_batch(kind, self._settings.instance, "processor", now, registry_version))
        headers = {CONTROL_HEADER: str(control).encode()}
        await self.deliver([Out(topic_name(self._settings, kind.topic), value, None, partition, headers)])

    async def checkpoint(self, kind: Kind, partition: int, entries: list[Entry]) -> int:
        topic = checkpoint_topic(self._settings, kind)
        return await self.deliver([Out(topic, value, key.encode(), partition) for key, value in entries])
