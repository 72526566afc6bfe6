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
from processors.control import Control, ControlError, Word, parse_control
from processors.partition import NOTHING, Change, Partition, new_partition, recovered_partition
from processors.standards import Standards
from runtime import metrics
from schemas.batch import BatchCodec
from schemas.kinds import Kind
from schemas.reasons import Reason
from schemas.records import Rejected, Signal
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

Owned = tuple[str, int]
"""Kind and partition."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `readings.<kind>`. `acknowledge` lets the group's offset move past it; `log_time` in ms.

    `control` is the text of a control record, empty for readings.
    """

    kind: str
    partition: int
    offset: int
    log_time: int
    value: bytes
    origin: str
    acknowledge: Callable[[], object]
    control: str = ""


class Outlet(Protocol):
    """Where results go; each call returns when Kafka has them."""

    async def signals(self, signals: list[Signal]) -> None: ...
    async def rejected(self, rejected: Rejected) -> None: ...
    async def control(self, kind: Kind, partition: int, control: Control, registry_version: int) -> None: ...

    async def checkpoint(self, kind: Kind, partition: int, entries: list[Entry]) -> int:
        """Returns the last offset; −1 without entries."""


class Claims(Protocol):
    """The checkpoints of a kind's partitions. Blocking; called in a thread."""

    def take_over(self, kind: Kind, partitions: Collection[int]) -> Mapping[int, tuple[Writer, Recovered | None]]:
        """Claim partitions and read their newest checkpoints."""

    def ends(self, kind: Kind, partitions: Collection[int]) -> Mapping[int, int]:
        """The last offset of each partition's checkpoints."""


class MissedError(Exception):
    """Records from `offset` on are not in the state and did not come: they must be read again (`Worker.expect`)."""

    def __init__(self, owned: Owned, offset: int) -> None:
        super().__init__(f"{owned[0]} partition {owned[1]}: records from offset {offset} on did not come")
        self.owned = owned
        self.offset = offset


@dataclass(slots=True)
class _Place:
    """A partition at work: `held` waits for the next checkpoint; `lock` keeps judging and saving apart.

    `expected` is set while the partition is read again from there; `announced` are the newest versions of rules and
    modes that were written into its log.
    """

    partition: Partition
    held: list[Record] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    saved_at: float = field(default_factory=time.monotonic)
    seen_at: float = field(default_factory=time.monotonic)
    expected: int | None = None
    announced: dict[Word, int] = field(default_factory=lambda: {Word.RULES: 0, Word.MODE: 0})


class Worker:
    """Judges the partitions that it is given (`assigned`)."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        standards: Standards,
        outlet: Outlet,
        claims: Claims,
        *,
        instance: str,
        checkpoint_s: float,
        tick_s: float,
        most_held: int = 2000,
    ) -> None:
        self._kinds = kinds
        self._standards = standards
        self._outlet = outlet
        self._claims = claims
        self._instance = instance
        self._checkpoint_s = checkpoint_s
        self._tick_s = tick_s
        self._most_held = most_held
        self._codec = BatchCodec(kinds)
        self._owned: set[Owned] = set()
        self._places: dict[Owned, _Place] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}

    def assigned(self, owned: Collection[Owned]) -> None:
        """Have these partitions and no others from now on; those that are new are taken over in the background.

        What was kept over a rebalance is still true, whoever had the partition meanwhile; the records that come again
        are recognised by their offsets. It is only taken over anew if another worker has written checkpoints.
        """
        self._owned = set(owned)
        for key in [key for key in self._places if key not in self._owned]:
            del self._places[key]
        for place in self._places.values():
            place.expected = None
        for kind in {kind for kind, _ in self._owned}:
            numbers = sorted(number for other, number in self._owned if other == kind)
            self._opening[kind] = asyncio.create_task(self._open(self._kinds[kind], numbers, self._opening.get(kind)))

    def revoked(self, owned: Collection[Owned]) -> None:
        """Forget what is held of these partitions: their records come again, here or at another worker."""
        self._owned.difference_update(owned)
        for key in owned:
            if (place := self._places.get(key)) is not None:
                place.held.clear()

    async def take(self, record: Record) -> None:
        """Take the next record of its partition, one at a time; of a partition that is not assigned: nothing.

        Raises `MissedError` if records between the state and this one did not come.
        """
        owned = (record.kind, record.partition)
        while (opening := self._opening.get(record.kind)) is not None and not opening.done():
            await asyncio.shield(opening)
        place = self._places.get(owned)
        if place is None:
            return
        partition = place.partition
        place.seen_at = time.monotonic()
        if record.offset <= partition.saved:
            record.acknowledge()
            return
        if place.expected is not None and record.offset > place.expected:
            return  # was under way already when the partition was set back: it comes again
        if record.offset > partition.applied:
            if partition.applied != NOTHING and record.offset not in (partition.applied + 1, place.expected):
                raise MissedError(owned, partition.applied + 1)
            place.expected = None
            change = await self._understood(record, partition)
            async with place.lock:
                await self._judge(partition, record, change)
                place.held.append(record)
        else:
            place.held.append(record)
        if len(place.held) >= self._most_held:
            await self._save(owned, place)

    def expect(self, owned: Owned, offset: int) -> None:
        """The partition is read again from `offset`, which is as near to what was missed as the log still reaches."""
        if (place := self._places.get(owned)) is not None:
            place.expected = offset

    async def _understood(self, record: Record, partition: Partition) -> Change | DecodeError:
        """The record with all that it names; waits until the versions are loaded."""
        try:
            batch = self._codec.decode(record.value)
            if batch.kind != record.kind:
                raise DecodeError(f"a batch of {batch.kind} stands in the topic of {record.kind}")
            control = parse_control(record.control) if record.control else None
        except (DecodeError, ControlError) as error:
            return DecodeError(str(error))
        change = Change(batch, control)
        if batch.registry_version > partition.registry.version:
            change.registry = await self._standards.registry(batch.registry_version)
        if control is not None and control.word is Word.RULES and control.version > partition.rules_version:
            change.rules = await self._standards.rules(control.version)
        if control is not None and control.word is Word.MODE and control.version > partition.modes.version:
            change.modes = await self._standards.modes(control.version)
        return change

    async def _judge(self, partition: Partition, record: Record, change: Change | DecodeError) -> None:
        if isinstance(change, DecodeError):
            metrics.PROCESSOR_REJECTED.labels(record.kind).inc()
            log.error("%s is rejected: %s", record.origin, change)
            await self._outlet.rejected(
                Rejected(
                    original=record.value, source="processor", gateway=self._instance, origin=record.origin,
                    reason=Reason.POISON, detail=str(change), received_at=record.log_time, kind=record.kind,
                )
            )  # fmt: skip
            partition.applied = record.offset
            return
        signals = partition.judge(change, record.offset, record.log_time)
        if signals:
            await self._outlet.signals(signals)

    async def _open(self, kind: Kind, numbers: Collection[int], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        started = time.monotonic()
        kept = {n: place for n in numbers if (place := self._places.get((kind.name, n))) is not None}
        if kept:
            ends = await asyncio.to_thread(self._claims.ends, kind, list(kept))
            for number, place in list(kept.items()):
                if ends[number] > place.partition.writer.last:
                    log.info("%s partition %d was another worker's meanwhile", kind.name, number)
                    self._places.pop((kind.name, number), None)
                    del kept[number]
        wanted = [n for n in numbers if n not in kept and (kind.name, n) in self._owned]
        if not wanted:
            return
        found = await asyncio.to_thread(self._claims.take_over, kind, wanted)
        for number, (writer, recovered) in found.items():
            partition = await self._partition(kind, number, writer, recovered)
            if (kind.name, number) in self._owned:
                self._places[kind.name, number] = _Place(partition)
        took = time.monotonic() - started
        metrics.PROCESSOR_RECOVERY_SECONDS.labels(kind.name).observe(took)
        log.info("%s: partitions %s taken over (%.2f s)", kind.name, ", ".join(map(str, wanted)), took)

    async def _partition(self, kind: Kind, number: int, writer: Writer, recovered: Recovered | None) -> Partition:
        if recovered is None:
            rules = await self._standards.rules(0)
            assert rules is not None, "version 0 was compiled at start"  # noqa: S101
            return new_partition(kind, number, rules, writer)
        manifest = recovered.manifest
        registry = await self._standards.registry(manifest.registry)
        rules = await self._standards.rules(manifest.rules)
        modes = await self._standards.modes(manifest.modes)
        if rules is None:
            raise RuntimeError(
                f"{kind.name} partition {number} was judged by version {manifest.rules} of the rules, "
                "which this release cannot compile"
            )
        partition = await asyncio.to_thread(recovered_partition, kind, rules, modes, writer, recovered, registry)
        log.info(
            "%s partition %d goes on behind offset %d: %d sensors, rules %d, registry %d, modes %d",
            kind.name, number, partition.applied, len(partition.engine), manifest.rules, manifest.registry,
            manifest.modes,
        )  # fmt: skip
        return partition

    async def look_after(self) -> None:
        """Write checkpoints and control records that are due; to be called often, one call at a time.

        Raises what a take-over in the background has raised.
        """
        for task in self._opening.values():
            if task.done():
                task.result()
        now = time.monotonic()
        ours = [(owned, place) for owned, place in self._places.items() if owned in self._owned]
        for (kind, number), place in ours:
            metrics.PROCESSOR_CHECKPOINT_AGE.labels(kind, str(number)).set(now - place.saved_at if place.held else 0)
        due = [one for one in ours if one[1].held and now - one[1].saved_at >= self._checkpoint_s]
        await asyncio.gather(
            *(self._save(*one) for one in due),
            *(self._control(owned, control) for owned, place in ours for control in self._controls(place, now)),
        )

    def _controls(self, place: _Place, now: float) -> list[Control]:
        """The control records that are due in a partition."""
        partition, found = place.partition, []
        for word, newest, present in (
            (Word.RULES, self._standards.newest_rules(), partition.rules_version),
            (Word.MODE, self._standards.newest_modes(), partition.modes.version),
        ):
            if newest > max(present, place.announced[word]):
                place.announced[word] = newest
                found.append(Control(word, newest))
        if not found and now - place.seen_at >= self._tick_s:
            found.append(Control(Word.TICK))
        if found:
            place.seen_at = now
        return found

    async def _control(self, owned: Owned, control: Control) -> None:
        await self._outlet.control(self._kinds[owned[0]], owned[1], control, self._standards.newest_registry())
        metrics.PROCESSOR_CONTROLS.labels(owned[0], control.word).inc()

    async def save_all(self) -> None:
        """Checkpoint everything that is held, before an orderly end."""
        await asyncio.gather(*(self._save(owned, place) for owned, place in list(self._places.items()) if place.held))

    async def _save(self, owned: Owned, place: _Place) -> None:
        async with place.saving:
            async with place.lock:
                held, place.held = place.held, []
                checkpoint = place.partition.checkpoint()
            place.saved_at = time.monotonic()
            kind, number, writer = place.partition.kind, owned[1], place.partition.writer
            for part, entries in (("chunks", checkpoint.chunks), ("manifest", [checkpoint.manifest])):
                writer.last = max(writer.last, await self._outlet.checkpoint(kind, number, entries))
                size = sum(len(value or b"") for _, value in entries)
                metrics.PROCESSOR_CHECKPOINT_BYTES.labels(owned[0], part).inc(size)
            place.partition.delivered(checkpoint)
            if self._places.get(owned) is place:
                for record in held:
                    record.acknowledge()
                metrics.PROCESSOR_OFFSET.labels(owned[0], str(number)).set(checkpoint.offset)
            writer.last = max(writer.last, await self._outlet.checkpoint(kind, number, checkpoint.removals))
