"""The rule engine: readings in log order in, signals out.

What comes out is a function of the readings of the partition in log order (and of the points in it at which the
registry changes), and of nothing else: not of how the log is cut into batches, nor of any clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.core.arrays import Floats, Slots
from processors.core.arrival import Arrivals, Refused, Stragglers, remembered_times
from processors.core.columns import Columns
from processors.core.evidence import alert_id, evidence, signal_id
from processors.core.frame import Rows
from processors.core.levels import Track, Transition
from processors.core.machine import Machine
from processors.core.rule import judge
from processors.core.rules import RuleSet
from processors.core.scale import Scale
from processors.core.sensors import NO_SLOT, Sensors
from processors.core.stretch import Stretch
from processors.core.windows.series import Steps, Windows
from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Snapshot

CHUNK_SLOTS = 32
"""Slots of a chunk of state: with the shipped rules some 100 KB, far below Kafka's largest message of 1 MB."""


@dataclass(slots=True)
class Counts(Refused):
    """Readings so far, by what became of them; `without_value`: by rule, judged readings at which it had no value."""

    read: int = 0
    judged: int = 0
    history: int = 0
    late: int = 0
    unregistered: int = 0
    without_value: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, int]:
        """Readings by what became of each: every reading is in exactly one."""
        return {
            "judged": self.judged,
            "history": self.history,
            "late": self.late,
            "unregistered": self.unregistered,
            "doubled": self.doubled,
            "too_old": self.too_old,
        }


@dataclass(slots=True)
class State:
    """The engine's state of a range of slots, complete and independent of the engine; see `Engine.export`."""

    first: int
    keys: list[tuple[str, str]]
    columns: Mapping[str, NDArray[Any]]
    tracks: Mapping[str, Mapping[int, Track]]


class Engine:
    """Judges the readings of one kind in one partition."""

    def __init__(self, kind: Kind, rules: RuleSet, snapshot: Snapshot, partition: int) -> None:
        self.kind = kind
        self.partition = partition
        self.rules = rules.of_kind(kind.name)
        self.counts = Counts()
        self.log_time = 0
        self._columns = Columns()
        self._sensors = Sensors(kind, self.rules, snapshot)
        self._arrivals = Arrivals(self._columns, remembered_times(kind))
        self._scales = {f.name: Scale(f.resolution) for f in kind.fields}
        self._windows = Windows(self._columns, {key for rule in self.rules for key in rule.needs.windows}, self._scales)
        self._machines = [Machine(self._columns, rule) for rule in self.rules]
        self._changed_chunks: set[int] = set()

    def set_registry(self, snapshot: Snapshot) -> None:
        """Follow another version of the registry from here on.

        Windows of a sensor whose period has changed so that they are cut anew start empty. Levels stay as they are; a
        sensor that is no longer registered, or that a rule no longer applies to, is not judged.
        """
        self._sensors.set_registry(snapshot)
        self._windows.set_periods(np.arange(len(self._sensors)), self._sensors.periods_ms())
        self._changed_chunks.update(range(-(-len(self) // CHUNK_SLOTS)))

    def process(self, batch: Batch, offset: int, log_time: int) -> list[Signal]:
        """Judge a batch; its signals in log order, those of one reading in the order of the rules.

        `log_time` is the record's time in the log (ms); `published_at` of the signals is left at 0. Raises
        `ValueError` for a batch of another kind.
        """
        if batch.kind != self.kind.name:
            raise ValueError(f"this engine judges {self.kind.name}, not {batch.kind}")
        self.log_time = max(self.log_time, log_time)
        self.counts.read += len(batch)
        if batch.mode is Mode.HISTORY:
            self.counts.history += len(batch)
            return []
        if len(batch) == 0:
            return []
        run = "" if batch.mode is Mode.LIVE else f"{batch.mode}/{batch.run_id}"
        rows, slots = self._judged_rows(batch, run)
        self._changed_chunks.update(np.unique(slots // CHUNK_SLOTS).tolist())
        found: list[tuple[int, int, Signal]] = []
        if len(rows):
            times = batch.observed_at[rows]
            starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
            steps = {name: self._scales[name].steps(batch.values[name]) for name in self._windows.fields}
            with np.errstate(all="ignore"):
                for part in self._arrivals.arrange(rows, slots, times, starts, self.counts):
                    frame = self._take_in(
                        part, batch.values, {n: (s[part.rows], p[part.rows]) for n, (s, p) in steps.items()}
                    )
                    self.counts.judged += len(frame)
                    self._judge(frame, batch, offset, run, found)
        found.sort(key=lambda entry: entry[:2])
        return [signal for _, _, signal in found]

    def _judged_rows(self, batch: Batch, run: str) -> tuple[Slots, Slots]:
        """Rows to judge and their slots, grouped by slot, in log order within a group."""
        ids, sensor = batch.sensor_ids, batch.sensor
        if len(set(ids)) != len(ids):
            numbers = {sensor_id: number for number, sensor_id in enumerate(dict.fromkeys(ids))}
            sensor = np.array([numbers[sensor_id] for sensor_id in ids], np.int32)[sensor]
            ids = list(numbers)
        slot_of = self._sensors.slots_of(ids, run)
        self._make_room()
        slots = slot_of[sensor]
        unregistered = slots == NO_SLOT
        self.counts.unregistered += int(np.count_nonzero(unregistered))
        late = batch.late & ~unregistered
        self.counts.late += int(np.count_nonzero(late))
        rows = np.flatnonzero(~(unregistered | late))
        order = sensor[rows]
        if len(rows) and (order[1:] < order[:-1]).any():
            small = order.astype(np.uint16) if len(ids) <= 2**16 else order  # short keys sort much faster
            rows = rows[np.argsort(small, kind="stable")]
        return rows, slots[rows]

    def _make_room(self) -> None:
        """Give new slots their state."""
        first = self._columns.count
        if len(self._sensors) > first:
            self._columns.extend(len(self._sensors) - first)
            slots = np.arange(first, len(self._sensors))
            self._windows.set_periods(slots, self._sensors.periods_ms()[first:])

    def _take_in(self, part: Stretch | Stragglers, values: Mapping[str, Floats], steps: Mapping[str, Any]) -> Rows:
        steps = {name: Steps(*pair) for name, pair in steps.items()}
        if isinstance(part, Stretch):
            at = part.times
            windows = self._windows.advance(part, steps)
        else:
            at = self._arrivals.newest()[part.slots]
            windows = self._windows.insert(part.slots, at, part.times, steps)
        return Rows(part.rows, part.slots, at, values, windows, self._sensors)

    def _judge(self, frame: Rows, batch: Batch, offset: int, run: str, found: list[tuple[int, int, Signal]]) -> None:
        for machine in self._machines:
            rule = machine.rule
            applies = self._sensors.applies(rule)[frame.slots]
            part = frame
            if not applies.all():
                chosen = np.flatnonzero(applies)
                if not len(chosen):
                    continue
                part = frame.take(chosen)
            judgement = judge(rule, part, part.limits(rule), len(part))
            unknown = len(part) - int(np.count_nonzero(judgement.known))
            if unknown:
                self.counts.without_value[rule.id] += unknown
            for row, transition in machine.run(part, judgement):
                value = judgement.value if judgement.value.ndim == 0 else judgement.value[row : row + 1]  # type: ignore[index]
                signal = self._signal(machine, part.take(np.array([row])), value, transition, batch, offset, run)
                found.append((signal.log_index, rule.order, signal))

    def _signal(
        self, machine: Machine, at_row: Rows, value: Any, transition: Transition, batch: Batch, offset: int, run: str
    ) -> Signal:
        rule, slot = machine.rule, int(at_row.slots[0])
        sensor = self._sensors.sensor(slot)
        sequence = machine.next_sequence(slot)
        return Signal(
            signal_id=signal_id(rule.id, sensor.sensor_id, sequence, run),
            rule_id=rule.id,
            rule_version=rule.version,
            registry_version=self._sensors.snapshot.version,
            kind=self.kind.name,
            sensor_id=sensor.sensor_id,
            zone=sensor.zone,
            asset_id=sensor.asset_id,
            transition=transition.word,
            level=Level(transition.level),
            previous_level=Level(transition.previous),
            onset_at=transition.onset,
            at=transition.at,
            sequence=sequence,
            alert_id=alert_id(rule.id, sensor.sensor_id, transition.onset, run),
            value=float(np.ravel(value)[0]),
            evidence=evidence(rule, at_row, value, at_row.limits(rule)),
            mode=str(batch.mode),
            log_partition=self.partition,
            log_offset=offset,
            log_index=int(at_row.rows[0]),
        )

    def __len__(self) -> int:
        """Number of slots in use."""
        return self._columns.count

    def export(self, first: int = 0, last: int | None = None) -> State:
        """A copy of the state of the slots `first` to `last` (exclusive; all by default)."""
        last = len(self) if last is None else last
        tracks = {
            machine.rule.id: {slot: deepcopy(t) for slot, t in machine.tracks.items() if first <= slot < last}
            for machine in self._machines
        }
        return State(first, self._sensors.keys[first:last], self._columns.export(first, last), tracks)

    def changed_states(self, *, everything: bool = False) -> list[State]:
        """State of the chunks (ranges of `CHUNK_SLOTS` slots) that changed since the last call, or of all."""
        chunks = range(-(-len(self) // CHUNK_SLOTS)) if everything else sorted(self._changed_chunks)
        self._changed_chunks.clear()
        return [self.export(n * CHUNK_SLOTS, min((n + 1) * CHUNK_SLOTS, len(self))) for n in chunks]

    def restore(self, state: State) -> None:
        """Put exported state back into a new engine of the same registry version, ranges in ascending order.

        State of rules that this engine does not have is left out. Raises `ValueError` if a range is missing.
        """
        if state.first != len(self):
            raise ValueError(f"state of slot {state.first} follows, but slot {len(self)} is the next")
        self._sensors.restore(state.keys)
        self._make_room()
        self._columns.load(state.first, state.columns)
        for machine in self._machines:
            machine.tracks.update(deepcopy(dict(state.tracks.get(machine.rule.id, {}))))
