"""What the coupling service does with each record of `signals`, whatever brings it.

The order holds the promise: what follows from a record is delivered before the record counts as judged; a state is
delivered before the records in it are acknowledged. After a crash the newest state is taken, the log behind it is
judged again, and what stands in the topics already is not published a second time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from processors.city import City
from processors.core.coupling.events import tick_signal
from processors.coupling_state import NOTHING, Saved, entries, risk_key
from runtime import metrics
from schemas.records import Signal, ZoneRisk
from schemas.registry import Snapshot
from schemas.wire import DecodeError

log = logging.getLogger(__name__)

TICK_S = 1.0
"""So often a tick is written while something is due and the log stands still."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `signals`; `acknowledge` lets the group's offset move past it; `log_time` in ms."""

    offset: int
    log_time: int
    value: bytes
    acknowledge: Callable[[], object]


class Outlet(Protocol):
    """Where results go; each call returns when Kafka has them."""

    async def signals(self, signals: list[Signal]) -> None: ...

    async def risks(self, risks: list[ZoneRisk]) -> int:
        """The offset of the last."""

    async def state(self, entries: list[tuple[str, bytes | None]]) -> None: ...


class MissedError(Exception):
    """Records from `offset` on are not in the state and did not come: they must be read again."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"signals from offset {offset} on did not come")
        self.offset = offset


@dataclass(slots=True)
class _Place:
    """The partition at work."""

    city: City
    term: int
    published: set[str]
    stale: set[str]
    applied: int
    saved: int
    risks_from: int
    number: int = 0
    expected: int | None = None
    held: list[Record] = field(default_factory=list)


class CouplingWorker:
    """`load()` reads the saved state, `registry(version)` gives that version or a newer one; both may block."""

    def __init__(
        self, new_city: Callable[[], City], outlet: Outlet, load: Callable[[], Saved],
        registry: Callable[[int], Snapshot], *, checkpoint_s: float, most_held: int = 5000,
    ) -> None:  # fmt: skip
        self._new_city = new_city
        self._outlet = outlet
        self._load = load
        self._registry = registry
        self._checkpoint_s = checkpoint_s
        self._most_held = most_held
        self._place: _Place | None = None
        self._lock = asyncio.Lock()
        self._saved_at = time.monotonic()
        self._ticked_at = 0.0

    async def take(self, record: Record) -> None:
        """Take the next record. Raises `MissedError` if records between the state and this one did not come."""
        async with self._lock:
            place = self._place or await self._open()
            if record.offset <= place.saved:
                record.acknowledge()
                return
            if place.expected is not None and record.offset > place.expected:
                return  # was under way when the partition was set back: it comes again
            if record.offset > place.applied:
                if place.applied != NOTHING and record.offset not in (place.applied + 1, place.expected):
                    raise MissedError(place.applied + 1)
                place.expected = None
                await self._judge(place, record)
            place.held.append(record)
            if len(place.held) >= self._most_held:
                await self._save(place)

    def expect(self, offset: int) -> None:
        """The log is read again from `offset`, as near to what was missed as it still reaches."""
        if self._place is not None:
            self._place.expected = offset

    async def look_after(self) -> None:
        """To be called often: save the state when it is time, and write a tick when something waits for one."""
        async with self._lock:
            place = self._place
            if place is None:
                return
            if place.held and time.monotonic() - self._saved_at >= self._checkpoint_s:
                await self._save(place)
            due, now = place.city.couplings.next_due(), round(time.time() * 1000)
            if due is not None and due <= now and time.monotonic() - self._ticked_at >= TICK_S:
                self._ticked_at = time.monotonic()
                await self._outlet.signals([tick_signal(now)])

    async def save(self) -> None:
        """Save what is held, before an orderly end."""
        async with self._lock:
            if self._place is not None and self._place.held:
                await self._save(self._place)

    def revoked(self) -> None:
        """The partition is another's: drop everything, its records come again to whoever has it."""
        self._place = None

    async def _open(self) -> _Place:
        saved = await asyncio.to_thread(self._load)
        city = self._new_city()
        if saved.state is not None:
            registry = await asyncio.to_thread(self._registry, int(saved.state["registry"]))
            city.restore(saved.state, registry)
            log.info("going on behind offset %d of signals: %d alerts and events known",
                     saved.offset, len(city.couplings))  # fmt: skip
        self._place = _Place(
            city, round(time.time() * 1000), saved.published, saved.keys, saved.offset, saved.offset, saved.risks_from
        )
        self._saved_at = time.monotonic()
        return self._place

    async def _judge(self, place: _Place, record: Record) -> None:
        try:
            signal = Signal.decode(record.value)
        except DecodeError as error:
            log.error("offset %d of signals is no signal: %s", record.offset, error)
            metrics.COUPLING_REJECTED.inc()
            place.applied = record.offset
            return
        registry = place.city.registry
        if signal.registry_version > registry.version:
            registry = await asyncio.to_thread(self._registry, signal.registry_version)
        output = place.city.take(signal, record.log_time, registry, 0, record.offset)
        signals = [one for one in output.signals if one.signal_id not in place.published]
        risks = [one for one in output.risks if risk_key(one) not in place.published]
        if signals:
            await self._outlet.signals(signals)
        if risks:
            place.risks_from = await self._outlet.risks(risks) + 1
        for one in signals:
            metrics.COUPLING_SIGNALS.labels(one.rule_id, one.level.word, one.transition).inc()
        place.applied = record.offset

    async def _save(self, place: _Place) -> None:
        self._saved_at = time.monotonic()
        place.number += 1
        chunks, manifest = entries(place.term, place.number, place.applied, place.risks_from, place.city.export())
        await self._outlet.state([*chunks])
        await self._outlet.state([manifest])
        place.saved = place.applied
        held, place.held = place.held, []
        for record in held:
            record.acknowledge()
        metrics.COUPLING_OFFSET.set(place.saved)
        if place.stale:
            await self._outlet.state([(key, None) for key in sorted(place.stale)])
            place.stale = set()
