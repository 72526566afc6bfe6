"""The rule engine: readings in log order in, signals out.

What comes out is a function of the readings of the partition in log order (and of the points in it at which
registry, rules and modes change, and of the records' log times), and of nothing else: not of how the log is cut into
batches, nor of any clock.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.core.arrays import Bools, Floats, Slots
from processors.core.arrival import Arrivals, Refused, Stragglers, remembered_times
from processors.core.columns import Columns
from processors.core.evidence import alert_id, evidence, signal_id
from processors.core.frame import Rows
from processors.core.levels import Track, Transition
from processors.core.machine import Machine, not_idle
from processors.core.rule import Rule, judge
from processors.core.rules import RuleSet
from processors.core.scale import Scale
from processors.core.schedule import Schedule
from processors.core.sensors import NO_SLOT, Sensors
from processors.core.silence import LONGEST_GAP_MS, Heard, SilenceMachine, boundary
from processors.core.stretch import Stretch
from processors.core.windows.keys import Steps, WindowKey
from processors.core.windows.series import Windows
from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Sensor, Snapshot
from schemas.rule_versions import NO_MODES, Modes, ZoneState

CHUNK_SLOTS = 32
"""Slots of a chunk of state: with the shipped rules some 100 KB, far below Kafka's largest message of 1 MB."""

_SEQUENCE = "sequence/"


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
        self.counts = Counts()
        self.log_time = 0
        self.modes = NO_MODES
        self._scales = {f.name: Scale(f.resolution) for f in kind.fields}
        self._build(rules, snapshot)

    def _build(self, rules: RuleSet, snapshot: Snapshot) -> None:
        """Everything that depends on the rules, without any slot."""
        self.rule_set = rules
        self.rules = rules.of_kind(self.kind.name)
        self._columns = Columns()
        self._sensors = Sensors(self.kind, self.rules, snapshot)
        self._arrivals = Arrivals(self._columns, remembered_times(self.kind))
        self._heard = Heard(self._columns)
        namers: dict[WindowKey, list[str]] = {}
        for rule in self.rules:
            for key in rule.needs.windows:
                namers.setdefault(key, []).append(not_idle(rule.id))
        self._windows = Windows(self._columns, namers, self._scales, rules.timezone, namers)
        self._machines = [Machine(self._columns, rule) for rule in self.rules if not rule.silent]
        self._silences = [SilenceMachine(self._columns, rule, self._heard) for rule in self.rules if rule.silent]
        for rule in self.rules:
            self._columns.add(_SEQUENCE + rule.id, np.int32, 0)
        self._changed_chunks: set[int] = set()
        self._zone_states: tuple[object, NDArray[np.int8]] = (None, np.empty(0, np.int8))

    def set_registry(self, snapshot: Snapshot, offset: int, log_time: int) -> list[Signal]:
        """Follow another version of the registry from the record at `offset` on; its signals.

        Windows of a sensor whose period has changed so that they are cut anew start empty. Where a rule no longer
        applies (the sensor is no longer registered, or does not match), its open alert is cleared. A sensor that is
        registered anew counts as heard now.
        """
        signals = self.tick(offset, log_time)
        old, known = self._sensors.snapshot, self._sensors.registered().copy()
        self._sensors.set_registry(snapshot)
        slots = np.arange(len(self._sensors))
        self._windows.set_periods(slots, self._sensors.periods_ms())
        self._heard.hear(slots[self._sensors.registered() & ~known], self.log_time)
        self._change_all()
        return signals + self._end([(watch, watch, False) for watch in self._watches()], old, offset)

    def set_rules(self, rules: RuleSet, offset: int, log_time: int) -> list[Signal]:
        """Judge by another set of rules from the record at `offset` on; its signals.

        What stays valid: every window whose state the new rules ask for as well (sum, count and mean of a field over
        a length have the same state, so have the other functions of equal field and length that are made of the
        same), recent times, and silence. New windows start empty. A rule that has the id of an old one keeps counting
        its signals; if it judges the same number (`Rule.same_value`), its open alerts stay open, with level and
        onset, and move or clear by the new thresholds from the next reading on; what was being timed goes on only if
        levels, `for` and `clear` are the same (`Rule.same_levels`). Open alerts of a rule that is gone, that judges
        another number, or that no longer applies to the sensor are cleared.
        """
        signals = self.tick(offset, log_time)
        watches, state, snapshot = self._watches(), self.export(), self._sensors.snapshot
        self._build(rules, snapshot)
        self.restore(state)
        self._windows.derive(self._arrivals.newest()[: len(self)], state.columns)
        now = {watch.rule.id: watch for watch in self._watches()}
        pairs = []
        for watch in watches:
            successor = now.get(watch.rule.id)
            same = successor is not None and successor.rule.same_value == watch.rule.same_value
            pairs.append((watch, successor, not same))
        ended = self._end(pairs, snapshot, offset)
        for watch, successor, _ in pairs:
            if successor is not None and successor.rule.same_levels != watch.rule.same_levels:
                successor.change_levels()
            elif successor is not None and successor.rule.same_value != watch.rule.same_value:
                successor.forget_nights()
        self._change_all()
        return signals + ended

    def set_modes(self, modes: Modes, offset: int, log_time: int) -> list[Signal]:
        """Follow another version of the zones' modes from the record at `offset` on; its signals."""
        signals = self.tick(offset, log_time)
        self.modes = modes
        return signals

    def tick(self, offset: int, log_time: int) -> list[Signal]:
        """Log time has come to that of the record at `offset`: the signals of sensors that are silent.

        Called for control records and empty batches; `process` does the same before it judges its readings.
        """
        before, self.log_time = self.log_time, max(self.log_time, log_time)
        if self.log_time - before > LONGEST_GAP_MS:
            self._heard.pass_over(self.log_time - before)
            self._change_all()
        at = boundary(before, self.log_time)
        if at is None or not self._silences or not len(self):
            return []
        found = []
        for machine in self._silences:
            for slot, transition, silent_s in machine.judge(at, self._sensors):
                self._changed_chunks.add(slot // CHUNK_SLOTS)
                text = machine.evidence(slot, silent_s, self._sensors)
                found.append(self._say(machine.rule, slot, transition, silent_s, text, offset, 0))
        return sorted(found, key=_by_sensor)

    def _watches(self) -> list[Machine | SilenceMachine]:
        return [*self._machines, *self._silences]

    def _change_all(self) -> None:
        self._changed_chunks.update(range(-(-len(self) // CHUNK_SLOTS)))

    def _end(
        self,
        pairs: Sequence[tuple[Machine | SilenceMachine, Machine | SilenceMachine | None, bool]],
        old: Snapshot,
        offset: int,
    ) -> list[Signal]:
        """Clear what is open in the first of each pair where the second does not go on with it.

        It does not if there is none, if the flag says so, or where its rule does not apply.
        """
        found = []
        for watch, successor, all_end in pairs:
            stays = None if successor is None or all_end else self._sensors.applies(successor.rule)
            for slot, (level, onset) in watch.open().items():
                if stays is None or not stays[slot]:
                    at = int(self._arrivals.newest()[slot]) if isinstance(watch, Machine) else self.log_time
                    transition = Transition("cleared", 0, level, onset, at)
                    sensor = old.sensors[self._sensors.keys[slot][1]]
                    text = json.dumps({"ended": "the rule no longer applies to the sensor, or is another now"})
                    found.append(self._say(watch.rule, slot, transition, math.nan, text, offset, 0, sensor))
            if successor is not None:
                for slot in successor.used():
                    if stays is None or not stays[slot]:
                        successor.forget(slot)
        return sorted(found, key=_by_sensor)

    def process(self, batch: Batch, offset: int, log_time: int) -> list[Signal]:
        """Judge a batch; its signals in log order, those of one reading in the order of the rules.

        `log_time` is the record's time in the log (ms); `published_at` of the signals is left at 0. Raises
        `ValueError` for a batch of another kind.
        """
        if batch.kind != self.kind.name:
            raise ValueError(f"this engine judges {self.kind.name}, not {batch.kind}")
        silent = self.tick(offset, log_time)
        self.counts.read += len(batch)
        if batch.mode is Mode.HISTORY:
            self.counts.history += len(batch)
            return silent
        if len(batch) == 0:
            return silent
        run = "" if batch.mode is Mode.LIVE else f"{batch.mode}/{batch.run_id}"
        found: list[tuple[int, int, Signal]] = []
        rows, slots = self._judged_rows(batch, run, offset, found)
        self._changed_chunks.update(np.unique(slots // CHUNK_SLOTS).tolist())
        if len(rows):
            times = batch.observed_at[rows]
            starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
            steps = {name: self._scales[name].steps(batch.values[name]) for name in self._windows.fields}
            with np.errstate(all="ignore"):
                for arrived in self._arrivals.arrange(rows, slots, times, starts, self.counts):
                    for part in self._windows.pieces(arrived) if isinstance(arrived, Stretch) else [arrived]:
                        frame = self._take_in(
                            part, batch.values, {n: (s[part.rows], p[part.rows]) for n, (s, p) in steps.items()}
                        )
                        self.counts.judged += len(frame)
                        self._judge(frame, offset, found)
        found.sort(key=lambda entry: entry[:2])
        return silent + [signal for _, _, signal in found]

    def _judged_rows(
        self, batch: Batch, run: str, offset: int, found: list[tuple[int, int, Signal]]
    ) -> tuple[Slots, Slots]:
        """Rows to judge and their slots, grouped by slot, in log order within a group."""
        ids, sensor = batch.sensor_ids, batch.sensor
        if len(set(ids)) != len(ids):
            numbers = {sensor_id: number for number, sensor_id in enumerate(dict.fromkeys(ids))}
            sensor = np.array([numbers[sensor_id] for sensor_id in ids], np.int32)[sensor]
            ids = list(numbers)
        slot_of = self._sensors.slots_of(ids, run)
        self._make_room()
        self._hear(slot_of, sensor, offset, found)
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

    def _hear(
        self, slot_of: Slots, sensor: NDArray[np.int32], offset: int, found: list[tuple[int, int, Signal]]
    ) -> None:
        """These sensors have given readings in this record: what says that they are silent ends."""
        slots = slot_of[slot_of != NO_SLOT]
        for machine in self._silences:
            for slot, transition, silent_s in machine.heard(slots, self.log_time):
                row = int(np.argmax(slot_of[sensor] == slot))
                text = machine.evidence(slot, silent_s, self._sensors)
                signal = self._say(machine.rule, slot, transition, silent_s, text, offset, row)
                found.append((row, machine.rule.order, signal))
        self._heard.hear(slots, self.log_time)
        self._changed_chunks.update(np.unique(slots // CHUNK_SLOTS).tolist())

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

    def _judge(self, frame: Rows, offset: int, found: list[tuple[int, int, Signal]]) -> None:
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
            if machine.nights and rule.nights:
                judgement = machine.nights.apply(part.slots, part.night(rule.nights.hours), judgement)
            if rule.schedule:
                judgement = judgement.out_of(self._out_of_schedule(rule.schedule, part))
            unknown = len(part) - int(np.count_nonzero(judgement.known))
            if unknown:
                self.counts.without_value[rule.id] += unknown
            for row, transition in machine.run(part, judgement):
                value = judgement.value if judgement.value.ndim == 0 else judgement.value[row : row + 1]  # type: ignore[index]
                at_row = part.take(np.array([row]))
                text = evidence(rule, at_row, value, at_row.limits(rule))
                slot, index, number = int(at_row.slots[0]), int(at_row.rows[0]), float(np.ravel(value)[0])
                signal = self._say(rule, slot, transition, number, text, offset, index)
                found.append((index, rule.order, signal))

    def _out_of_schedule(self, schedule: Schedule, part: Rows) -> Bools:
        in_force = schedule.in_force(part.at, self.rule_set.timezone)
        if schedule.mode:
            in_force &= (self._emergency()[part.slots] == 1) == (schedule.mode == ZoneState.EMERGENCY)
        return ~in_force

    def _emergency(self) -> NDArray[np.int8]:
        """Of every slot, 1 where its zone is in emergency mode now."""
        ended = sum(zone.until <= self.log_time for zone in self.modes.zones)
        state = (self.modes.version, ended, self._sensors.snapshot.version, len(self))
        if self._zone_states[0] != state:
            zones = [sensor.zone if sensor else "" for sensor in self._sensors.all()]
            modes = {zone: self.modes.mode_of(zone, self.log_time) for zone in set(zones)}
            self._zone_states = state, np.array([modes[z] == ZoneState.EMERGENCY for z in zones], np.int8)
        return self._zone_states[1]

    def _say(
        self,
        rule: Rule,
        slot: int,
        transition: Transition,
        value: float,
        text: str,
        offset: int,
        index: int,
        sensor: Sensor | None = None,
    ) -> Signal:
        """The signal of a transition; `sensor` is given where the registry no longer has it."""
        run = self._sensors.keys[slot][0]
        sensor = sensor or self._sensors.sensor(slot)
        sequences = self._columns[_SEQUENCE + rule.id]
        sequences[slot] += 1
        sequence = int(sequences[slot])
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
            value=value,
            evidence=text,
            mode=run.partition("/")[0] or str(Mode.LIVE),
            log_partition=self.partition,
            log_offset=offset,
            log_index=index,
            type="no_data" if rule.data_fault else "threshold",
            run_id=run.partition("/")[2],
            priority=rule.priority,
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

        State of rules that this engine does not have is left out (but for the number of their signals, should they
        come back). Raises `ValueError` if a range is missing.
        """
        if state.first != len(self):
            raise ValueError(f"state of slot {state.first} follows, but slot {len(self)} is the next")
        self._sensors.restore(state.keys)
        for name, column in state.columns.items():
            if name.startswith(_SEQUENCE) and name not in self._columns and column.any():
                self._columns.add(name, np.int32, 0)
        self._make_room()
        self._columns.load(state.first, state.columns)
        for machine in self._machines:
            machine.tracks.update(deepcopy(dict(state.tracks.get(machine.rule.id, {}))))


def _by_sensor(signal: Signal) -> tuple[str, str, str]:
    """Order of the signals of one point in the log that no reading has given."""
    return signal.sensor_id, signal.mode, signal.rule_id
