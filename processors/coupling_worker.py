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

from processors.city import City, versions_of
from processors.core.coupling.events import rules_signal, rules_version, tick_signal
from processors.core.standard import Standard
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


class Standards(Protocol):
    """Versions by number; each call waits, without end, until the version has come."""

    async def registry(self, version: int) -> Snapshot:
        """That version or a newer one."""

    async def standard(self, version: int) -> Standard | None:
        """None if this version cannot be compiled: the one in force stays."""

    def newest_rules(self) -> int:
        """The newest version that is loaded."""


class MissedError(Exception):
    """Records from `offset` on are not in the state and did not come: they must be read again."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"signals from offset {offset} on did not come")
        self.offset = offset


@dataclass(slots=True)
class _Place:
    """The partition at work; `announced` is the newest version of the rules that was written into the log."""

    city: City
    term: int
    published: set[str]
    stale: set[str]
    applied: int
    saved: int
    risks_from: int
    number: int = 0
    announced: int = 0
    expected: int | None = None
    held: list[Record] = field(default_factory=list)


class CouplingWorker:
    """Judges the one partition of `signals`. `load()` reads the saved state; it may block."""

    def __init__(
        self, standards: Standards, outlet: Outlet, load: Callable[[], Saved], *, checkpoint_s: float,
        most_held: int = 5000,
    ) -> None:  # fmt: skip
        self._standards = standards
        self._outlet = outlet
        self._load = load
        self._checkpoint_s = checkpoint_s
        self._most_held = most_held
        self._place: _Place | None = None
        self._owned = False
        self._lock = asyncio.Lock()
        self._saved_at = time.monotonic()
        self._ticked_at = 0.0

    def assigned(self) -> None:
        """Have the partition from now on. (Its first record says so too.)"""
        self._owned = True

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
        """To be called often: save the state when it is time, and write the marks that are due.

        A newer version of the rules is written into the log when it is loaded, a tick when something waits for one.
        """
        async with self._lock:
            place = self._place
            if place is None:
                if not self._owned:
                    return
                place = await self._open()
            if place.held and time.monotonic() - self._saved_at >= self._checkpoint_s:
                await self._save(place)
            await self._announce(place)
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
        self._owned = False
        self._place = None

    async def _announce(self, place: _Place) -> None:
        newest = self._standards.newest_rules()
        if newest > max(place.city.standard.version, place.announced):
            place.announced = newest
            await self._outlet.signals([rules_signal(newest, round(time.time() * 1000))])

    async def _open(self) -> _Place:
        saved = await asyncio.to_thread(self._load)
        version, registry = versions_of(saved.state) if saved.state is not None else (0, 0)
        standard = await self._standards.standard(version)
        if standard is None:
            raise RuntimeError(
                f"signals were judged by version {version} of the rules, which this release cannot compile"
            )
        city = City(standard)
        if saved.state is not None:
            city.restore(saved.state, await self._standards.registry(registry))
            log.info("going on behind offset %d of signals: %d alerts and events known, rules %d, registry %d",
                     saved.offset, len(city.couplings), version, registry)  # fmt: skip
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
            registry = await self._standards.registry(signal.registry_version)
        standard, version = None, rules_version(signal)
        if version > place.city.standard.version:
            standard = await self._standards.standard(version)
        output = place.city.take(signal, record.log_time, registry, 0, record.offset, standard)
        metrics.COUPLING_RULES.set(place.city.standard.version)
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
