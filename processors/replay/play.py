"""The log through the engines: what the processor does with each record, without Kafka."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from processors.control import Control, ControlError, Word, parse_control
from processors.core.alerts import AlertTexts
from processors.core.engine import Engine
from processors.core.standard import Standard
from processors.standards import Compiler
from schemas.batch import Batch
from schemas.kinds import Kind
from schemas.log import LogRecord
from schemas.records import Signal
from schemas.registry import EMPTY, Snapshot
from schemas.rule_versions import NO_MODES, Modes, RuleFiles


class MissingVersionError(ValueError):
    """The log names a version of the rules or modes that is not there; the message says which."""


class Standards:
    """What to judge by: one standard from beginning to end."""

    def __init__(self, own: Standard) -> None:
        self.own = own

    def standard(self, version: int) -> Standard | None:
        """What a control record puts into force; None: what is in force stays."""
        return None

    def modes(self, version: int) -> Modes | None:
        """The modes that a control record puts into force; None: those in force stay."""
        return None


class InForce(Standards):
    """What the log says: from each control record on the standard that it names, `own` before the first."""

    def __init__(
        self, own: Standard, rules: Mapping[int, RuleFiles], modes: Mapping[int, Modes], kinds: Mapping[str, Kind],
        departments: Collection[str], timezone: str,
    ) -> None:  # fmt: skip
        super().__init__(own)
        self._rules = rules
        self._modes = modes
        self._compiler = Compiler(kinds, departments, timezone, own)

    def standard(self, version: int) -> Standard | None:
        """Raises `MissingVersionError`."""
        if version == 0:
            return self.own
        if version not in self._rules:
            raise MissingVersionError(_missing("rules", version, self._rules))
        return self._compiler.compiled(version, self._rules[version].files)

    def modes(self, version: int) -> Modes | None:
        """Raises `MissingVersionError`."""
        if version == NO_MODES.version:
            return NO_MODES
        if version not in self._modes:
            raise MissingVersionError(_missing("modes", version, self._modes))
        return self._modes[version]


@dataclass(slots=True)
class _Place:
    """A partition: its engine, and the versions in force."""

    engine: Engine
    registry: Snapshot
    rules: int = 0
    modes: int = 0


class Player:
    """Plays records of any kinds and partitions, those of one partition in log order.

    `registry(version)` gives the registry of that version.
    """

    def __init__(self, kinds: Mapping[str, Kind], standards: Standards, registry: Callable[[int], Snapshot]) -> None:
        self._kinds = kinds
        self._standards = standards
        self._registry = registry
        self._places: dict[tuple[str, int], _Place] = {}
        self._texts = standards.own.texts()

    def take(self, record: LogRecord) -> list[Signal]:
        """The signals of the next record of its partition.

        Raises `KeyError` for an unknown kind, and what `registry` and the standards raise.
        """
        place = self._places.get((record.kind, record.partition))
        if place is None:
            engine = Engine(self._kinds[record.kind], self._standards.own.rules, EMPTY, record.partition)
            place = self._places[record.kind, record.partition] = _Place(engine, EMPTY)
        try:
            control = parse_control(record.control) if record.control else None
        except ControlError:
            return []  # a processor rejects such a record
        engine, offset, log_time = place.engine, record.offset, record.log_time
        signals: list[Signal] = []
        if record.batch.registry_version > place.registry.version:
            place.registry = self._registry(record.batch.registry_version)
            signals += engine.set_registry(place.registry, offset, log_time)
        judged = engine.process(record.batch, offset, log_time)
        if record.index is not None:
            for signal in judged:
                signal.log_index = int(record.index[signal.log_index])
        signals += judged
        if control is not None:
            signals += self._switch(place, control, offset, log_time)
        return signals

    def _switch(self, place: _Place, control: Control, offset: int, log_time: int) -> list[Signal]:
        if control.word is Word.RULES and control.version > place.rules:
            standard = self._standards.standard(control.version)
            if standard is not None:
                place.rules = control.version
                self._texts |= standard.texts()
                return place.engine.set_rules(standard.rules, offset, log_time)
        if control.word is Word.MODE and control.version > place.modes:
            modes = self._standards.modes(control.version)
            if modes is not None:
                place.modes = control.version
                return place.engine.set_modes(modes, offset, log_time)
        return []

    def texts(self, signal: Signal) -> AlertTexts:
        """What the rule, coupling or zone standard that gave a signal says of its alerts. Raises `KeyError`."""
        return self._texts[signal.rule_id, signal.rule_version]

    def counts(self) -> dict[str, int]:
        """Readings by what became of them, of all engines together."""
        total: dict[str, int] = {}
        for place in self._places.values():
            for outcome, count in place.engine.counts.as_dict().items():
                total[outcome] = total.get(outcome, 0) + count
        return total


Change = Callable[[Batch], Batch]
"""A change of the values of a batch, such as a field scaled."""


def changed(record: LogRecord, change: Change) -> LogRecord:
    """The record with the values of its batch changed."""
    return LogRecord(
        record.kind, record.partition, record.offset, record.log_time, change(record.batch), record.control,
        record.index,
    )  # fmt: skip


def scaled(kinds: Mapping[str, Kind], factors: Mapping[str, float], shifts: Mapping[str, float]) -> Change:
    """A change that multiplies fields by factors, then adds shifts, in every kind that has the field.

    Values stay within what the kind's instrument can give. Raises `ValueError` for a field that no kind has.
    """
    known = {field.name for kind in kinds.values() for field in kind.fields}
    for name in (*factors, *shifts):
        if name not in known:
            raise ValueError(f"no kind has a field {name!r}; fields: {', '.join(sorted(known))}")

    def change(batch: Batch) -> Batch:
        values = dict(batch.values)
        for field in kinds[batch.kind].fields:
            if field.name in factors or field.name in shifts:
                moved = values[field.name] * factors.get(field.name, 1.0) + shifts.get(field.name, 0.0)
                values[field.name] = np.clip(moved, field.minimum, field.maximum)
        return Batch(
            batch.kind, batch.gateway, batch.source, batch.mode, batch.run_id, batch.received_at, batch.sensor_ids,
            batch.sensor, batch.observed_at, batch.late, values, batch.registry_version,
        )  # fmt: skip

    return change


def _missing(what: str, version: int, known: Iterable[int]) -> str:
    listed = ", ".join(map(str, sorted(known))) or "none"
    return f"the log names version {version} of the {what}, which ClickHouse does not have; versions: {listed}"
