"""One partition of one kind: its engine, where in the log it stands, and its checkpoints. No Kafka, no Faust."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from processors.checkpoint.plan import Entry, Recovered, Writer
from processors.core.engine import Engine
from processors.core.rules import RuleSet
from runtime import metrics
from schemas.batch import Batch
from schemas.kinds import Kind
from schemas.records import Signal
from schemas.registry import EMPTY, Snapshot

NOTHING = -1
"""The offset of a partition of which nothing is in the state yet."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What to deliver, in this order: chunks, then the manifest, then the removals."""

    offset: int
    chunks: list[Entry]
    manifest: Entry
    removals: list[Entry]


@dataclass(slots=True)
class Partition:
    """State of one partition; every record goes through `judge` in log order, each once.

    `applied` is the offset of the last record in the state, `saved` that of the last one in a delivered checkpoint.
    """

    kind: Kind
    number: int
    engine: Engine
    writer: Writer
    registry: Snapshot
    rules_version: int
    applied: int = NOTHING
    saved: int = NOTHING
    _fresh: bool = True
    _counted: dict[str, int] = field(default_factory=dict)

    def judge(self, batch: Batch, registry: Snapshot, offset: int, log_time: int) -> list[Signal]:
        """Judge the record at `offset` with this registry or, if it is older, the one in force.

        The registry in force is the newest that any batch up to here knew: a function of the log.
        """
        if registry.version > self.registry.version:
            self.registry = registry
            self.engine.set_registry(registry)
        started = time.perf_counter()
        signals = self.engine.process(batch, offset, log_time)
        self.applied = offset
        metrics.PROCESSOR_SECONDS.labels(self.kind.name).observe(time.perf_counter() - started)
        self._count(signals)
        return signals

    def checkpoint(self) -> Checkpoint:
        """What makes everything up to `applied` recoverable; call `delivered` when it is."""
        states = self.engine.changed_states(everything=self._fresh)
        self._fresh = False
        position: dict[str, Any] = {
            "offset": self.applied,
            "registry": self.registry.version,
            "rules": self.rules_version,
            "log_time": self.engine.log_time,
            "mode": "",
        }
        chunks, manifest = self.writer.plan(states, position)
        return Checkpoint(self.applied, chunks, manifest, self.writer.leftovers())

    def delivered(self, checkpoint: Checkpoint) -> None:
        """All of the checkpoint is in Kafka."""
        self.saved = max(self.saved, checkpoint.offset)

    def _count(self, signals: list[Signal]) -> None:
        metrics.PROCESSOR_BATCHES.labels(self.kind.name).inc()
        now = self.engine.counts.as_dict()
        for outcome, count in now.items():
            if count != self._counted.get(outcome, 0):
                metrics.PROCESSOR_READINGS.labels(self.kind.name, outcome).inc(count - self._counted.get(outcome, 0))
        self._counted = now
        for signal in signals:
            metrics.PROCESSOR_SIGNALS.labels(signal.rule_id, signal.level.word, signal.transition).inc()


def new_partition(kind: Kind, number: int, rules: RuleSet, writer: Writer) -> Partition:
    """A partition of which nothing is known: it begins with the first record and the empty registry."""
    return Partition(kind, number, Engine(kind, rules, EMPTY, number), writer, EMPTY, rules_version=0)


def recovered_partition(
    kind: Kind, rules: RuleSet, writer: Writer, recovered: Recovered, registry: Snapshot
) -> Partition:
    """A partition as a checkpoint left it; `registry` is that of the manifest (or the next newer one).

    Raises `ValueError` if the states do not fit together.
    """
    manifest = recovered.manifest
    engine = Engine(kind, rules, registry, manifest.partition)
    for state in recovered.states:
        engine.restore(state)
    engine.log_time = manifest.log_time
    return Partition(
        kind, manifest.partition, engine, writer, registry, manifest.rules,
        applied=manifest.offset, saved=manifest.offset,
    )  # fmt: skip
