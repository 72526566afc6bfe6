"""One partition of one kind: its engine, where in the log it stands, and its checkpoints. No Kafka, no Faust."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from processors.checkpoint.plan import Entry, Recovered, Writer
from processors.control import Control
from processors.core.engine import Engine
from processors.core.rules import RuleSet
from runtime import metrics
from schemas.batch import Batch
from schemas.kinds import Kind
from schemas.records import Signal
from schemas.registry import EMPTY, Snapshot
from schemas.rule_versions import NO_MODES, Modes

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
class Change:
    """A record with the versions that it brings into force, where they are newer than those in force."""

    batch: Batch
    control: Control | None = None
    registry: Snapshot | None = None
    rules: RuleSet | None = None
    modes: Modes | None = None


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
    modes: Modes = NO_MODES
    applied: int = NOTHING
    saved: int = NOTHING
    _fresh: bool = True
    _counted: dict[str, int] = field(default_factory=dict)

    def judge(self, change: Change, offset: int, log_time: int) -> list[Signal]:
        """Judge the record at `offset`, and switch to the versions that it names.

        The registry in force is the newest that any batch up to here knew, this one included; rules and modes are in
        force from behind their control record: all a function of the log.
        """
        started = time.perf_counter()
        signals: list[Signal] = []
        if change.registry is not None and change.registry.version > self.registry.version:
            self.registry = change.registry
            signals += self.engine.set_registry(change.registry, offset, log_time)
        signals += self.engine.process(change.batch, offset, log_time)
        if change.rules is not None and change.rules.version > self.rules_version:
            self.rules_version = change.rules.version
            signals += self.engine.set_rules(change.rules, offset, log_time)
        if change.modes is not None and change.modes.version > self.modes.version:
            self.modes = change.modes
            signals += self.engine.set_modes(change.modes, offset, log_time)
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
            "modes": self.modes.version,
            "log_time": self.engine.log_time,
        }
        chunks, manifest = self.writer.plan(states, position)
        return Checkpoint(self.applied, chunks, manifest, self.writer.leftovers())

    def delivered(self, checkpoint: Checkpoint) -> None:
        """All of the checkpoint is in Kafka."""
        self.saved = max(self.saved, checkpoint.offset)

    def _count(self, signals: list[Signal]) -> None:
        metrics.PROCESSOR_BATCHES.labels(self.kind.name).inc()
        metrics.PROCESSOR_RULES.labels(self.kind.name, str(self.number)).set(self.rules_version)
        now = self.engine.counts.as_dict()
        for outcome, count in now.items():
            if count != self._counted.get(outcome, 0):
                metrics.PROCESSOR_READINGS.labels(self.kind.name, outcome).inc(count - self._counted.get(outcome, 0))
        self._counted = now
        for signal in signals:
            metrics.PROCESSOR_SIGNALS.labels(signal.rule_id, signal.level.word, signal.transition).inc()


def new_partition(kind: Kind, number: int, rules: RuleSet, writer: Writer) -> Partition:
    """A partition of which nothing is known: it begins with the first record, the empty registry and version 0."""
    return Partition(kind, number, Engine(kind, rules, EMPTY, number), writer, EMPTY, rules_version=0)


def recovered_partition(
    kind: Kind, rules: RuleSet, modes: Modes, writer: Writer, recovered: Recovered, registry: Snapshot
) -> Partition:
    """A partition as a checkpoint left it; `registry`, `rules` and `modes` are those of the manifest.

    Raises `ValueError` if the states do not fit together.
    """
    manifest = recovered.manifest
    engine = Engine(kind, rules, registry, manifest.partition)
    engine.modes = modes
    for state in recovered.states:
        engine.restore(state)
    engine.log_time = manifest.log_time
    return Partition(
        kind, manifest.partition, engine, writer, registry, manifest.rules, modes,
        applied=manifest.offset, saved=manifest.offset,
    )  # fmt: skip
