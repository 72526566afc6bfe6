"""Judges batches of every kind and partition in log order: the processor without Kafka and Faust."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from processors.core.engine import Engine
from processors.ruleset import RuleSet
from runtime import metrics
from schemas.batch import BatchCodec
from schemas.kinds import Kind
from schemas.records import Signal
from schemas.registry import Snapshot


class Judge:
    """Holds one engine for each kind and partition that this worker owns.

    `registry` gives the newest whole registry. Not thread-safe: one caller at a time.
    """

    def __init__(self, kinds: Mapping[str, Kind], rules: RuleSet, registry: Callable[[], Snapshot]) -> None:
        self._kinds = kinds
        self._codec = BatchCodec(kinds)
        self._rules = rules
        self._registry = registry
        self._engines: dict[tuple[str, int], Engine] = {}
        self._registry_version: dict[tuple[str, int], int] = {}
        self._counted: dict[tuple[str, int], dict[str, int]] = {}

    def take(self, kind: str, partition: int, offset: int, log_time: int, value: bytes) -> list[Signal]:
        """Judge one record of `readings.<kind>`; the signals in the order of the readings that caused them.

        Raises `schemas.wire.DecodeError` if it is no batch of this kind; the state is unchanged then.
        """
        batch = self._codec.decode(value)
        owned = (kind, partition)
        engine = self._engine(owned)
        started = time.perf_counter()
        signals = engine.process(batch, offset, log_time)
        metrics.PROCESSOR_SECONDS.labels(kind).observe(time.perf_counter() - started)
        metrics.PROCESSOR_BATCHES.labels(kind).inc()
        self._count(owned, engine)
        for signal in signals:
            metrics.PROCESSOR_SIGNALS.labels(signal.rule_id, signal.level.word, signal.transition).inc()
        return signals

    def keep_only(self, owned: Collection[tuple[str, int]]) -> None:
        """Drop the state of what this worker does not own any more."""
        for key in [key for key in self._engines if key not in owned]:
            del self._engines[key], self._registry_version[key], self._counted[key]

    def _engine(self, owned: tuple[str, int]) -> Engine:
        snapshot = self._registry()
        engine = self._engines.get(owned)
        if engine is None:
            kind, partition = owned
            engine = self._engines[owned] = Engine(self._kinds[kind], self._rules, snapshot, partition)
            self._counted[owned] = {}
        elif self._registry_version[owned] != snapshot.version:
            engine.set_registry(snapshot)
        self._registry_version[owned] = snapshot.version
        return engine

    def _count(self, owned: tuple[str, int], engine: Engine) -> None:
        before = self._counted[owned]
        now = engine.counts.as_dict()
        for outcome, count in now.items():
            metrics.PROCESSOR_READINGS.labels(owned[0], outcome).inc(count - before.get(outcome, 0))
        self._counted[owned] = now
