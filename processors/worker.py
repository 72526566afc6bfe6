"""What a processor worker does with each record, whatever brings it: skip, hold, judge, publish, checkpoint.

The order holds the promise. A record's signals are delivered before the record counts as judged; the chunks of a
checkpoint are delivered before its manifest; records are acknowledged after the manifest that covers them. So the
group's committed offset never runs ahead of a complete checkpoint, and what a crash leaves is judged again with the
same result: the same signals with the same ids, which everyone downstream knows already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from processors.checkpoint.plan import Entry, Recovered, Writer
from processors.core.rules import RuleSet
from processors.partition import NOTHING, Partition, new_partition, recovered_partition
from runtime import metrics
from schemas.batch import BatchCodec
from schemas.kinds import Kind
from schemas.reasons import Reason
from schemas.records import Rejected, Signal
from schemas.registry import Snapshot
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

Owned = tuple[str, int]
"""Kind and partition."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `readings.<kind>`. `acknowledge` lets the group's offset move past it; `log_time` in ms."""

    kind: str
    partition: int
    offset: int
    log_time: int
    value: bytes
    origin: str
    acknowledge: Callable[[], object]


class Outlet(Protocol):
    """Where results go; each call returns when Kafka has them."""

    async def signals(self, signals: list[Signal]) -> None: ...
    async def rejected(self, rejected: Rejected) -> None: ...
    async def checkpoint(self, kind: Kind, partition: int, entries: list[Entry]) -> None: ...


class MissedError(Exception):
    """Records from `offset` on are not in the state and did not come: they must be read again (`Worker.expect`)."""

    def __init__(self, owned: Owned, offset: int) -> None:
        super().__init__(f"{owned[0]} partition {owned[1]}: records from offset {offset} on did not come")
        self.owned = owned
        self.offset = offset


@dataclass(slots=True)
class _Place:
    """A partition at work: `held` waits for the next checkpoint; `lock` keeps records in order.

    `expected` is set while the partition is read again from there.
    """

    partition: Partition
    held: list[Record] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    saved_at: float = field(default_factory=time.monotonic)
    expected: int | None = None


class Worker:
    """`take_over(kind, partition)` claims a partition and reads its newest checkpoint; `registry(version)` gives the
    registry of at least that version. Both may block: they are called in a thread.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        rules: RuleSet,
        outlet: Outlet,
        take_over: Callable[[Kind, int], tuple[Writer, Recovered | None]],
        registry: Callable[[int], Snapshot],
        *,
        instance: str,
        checkpoint_s: float,
        most_held: int = 2000,
    ) -> None:
        self._kinds = kinds
        self._rules = rules
        self._outlet = outlet
        self._take_over = take_over
        self._registry = registry
        self._instance = instance
        self._checkpoint_s = checkpoint_s
        self._most_held = most_held
        self._codec = BatchCodec(kinds)
        self._places: dict[Owned, _Place] = {}

    async def take(self, record: Record) -> None:
        """Take the next record of its partition.

        Raises `MissedError` if records between the state and this one did not come.
        """
        owned = (record.kind, record.partition)
        place = self._places.get(owned)
        if place is None:
            place = self._places[owned] = await self._open(*owned)
        async with place.lock:
            partition = place.partition
            if record.offset <= partition.saved:
                record.acknowledge()
                return
            if place.expected is not None and record.offset > place.expected:
                return  # was under way already when the partition was set back: it comes again
            if record.offset > partition.applied:
                if partition.applied != NOTHING and record.offset not in (partition.applied + 1, place.expected):
                    raise MissedError(owned, partition.applied + 1)
                place.expected = None
                await self._judge(partition, record)
            place.held.append(record)
        if len(place.held) >= self._most_held:
            await self._save(owned, place)

    def expect(self, owned: Owned, offset: int) -> None:
        """The partition is read again from `offset`, which is as near to what was missed as the log still reaches."""
        self._places[owned].expected = offset

    async def _judge(self, partition: Partition, record: Record) -> None:
        try:
            batch = self._codec.decode(record.value)
            if batch.kind != record.kind:
                raise DecodeError(f"a batch of {batch.kind} stands in the topic of {record.kind}")
        except DecodeError as error:
            metrics.PROCESSOR_REJECTED.labels(record.kind).inc()
            log.error("%s is rejected: %s", record.origin, error)
            await self._outlet.rejected(
                Rejected(
                    original=record.value, source="processor", gateway=self._instance, origin=record.origin,
                    reason=Reason.POISON, detail=str(error), received_at=record.log_time, kind=record.kind,
                )
            )  # fmt: skip
            partition.applied = record.offset
            return
        registry = await self._registry_of(batch.registry_version, partition.registry)
        signals = partition.judge(batch, registry, record.offset, record.log_time)
        if signals:
            await self._outlet.signals(signals)

    async def _registry_of(self, version: int, present: Snapshot) -> Snapshot:
        if version <= present.version:
            return present
        return await asyncio.to_thread(self._registry, version)

    async def _open(self, kind_name: str, number: int) -> _Place:
        kind = self._kinds[kind_name]
        started = time.monotonic()
        writer, recovered = await asyncio.to_thread(self._take_over, kind, number)
        if recovered is None:
            return _Place(new_partition(kind, number, self._rules, writer))
        registry = await asyncio.to_thread(self._registry, recovered.manifest.registry)
        partition = recovered_partition(kind, self._rules, writer, recovered, registry)
        log.info(
            "%s partition %d goes on behind offset %d: %d sensors (%.2f s)",
            kind_name, number, partition.applied, len(partition.engine), time.monotonic() - started,
        )  # fmt: skip
        return _Place(partition)

    async def save_due(self) -> None:
        """Checkpoint every partition whose last one is older than the interval; to be called often."""
        now = time.monotonic()
        for owned, place in list(self._places.items()):
            if place.held and now - place.saved_at >= self._checkpoint_s:
                await self._save(owned, place)

    async def save_all(self) -> None:
        """Checkpoint everything that is held, before an orderly end."""
        for owned, place in list(self._places.items()):
            if place.held:
                await self._save(owned, place)

    async def _save(self, owned: Owned, place: _Place) -> None:
        async with place.saving:
            async with place.lock:
                held, place.held = place.held, []
                checkpoint = place.partition.checkpoint()
            place.saved_at = time.monotonic()
            kind, number = place.partition.kind, owned[1]
            await self._outlet.checkpoint(kind, number, checkpoint.chunks)
            await self._outlet.checkpoint(kind, number, [checkpoint.manifest])
            place.partition.delivered(checkpoint)
            if self._places.get(owned) is place:
                for record in held:
                    record.acknowledge()
                metrics.PROCESSOR_OFFSET.labels(owned[0], str(number)).set(checkpoint.offset)
            await self._outlet.checkpoint(kind, number, checkpoint.removals)

    def revoked(self, owned: Collection[Owned]) -> None:
        """Forget what is held of these partitions: their records come again, here or at another worker."""
        for key in owned:
            if (place := self._places.get(key)) is not None:
                place.held.clear()

    def assigned(self, owned: Collection[Owned]) -> None:
        """Keep the state of these partitions and drop that of all others.

        What was kept over a rebalance is still true, whoever had the partition meanwhile; the records that come again
        are recognised by their offsets.
        """
        for key in [key for key in self._places if key not in owned]:
            del self._places[key]
        for place in self._places.values():
            place.expected = None
