"""What the engine must give, in the plainest way: one reading at a time, windows worked out anew from all readings."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from processors.core.arrival import remembered_times
from processors.core.definition import RuleDefinition
from processors.core.levels import Track, step
from processors.core.rule import Rule
from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from schemas.levels import level_of
from schemas.registry import Sensor, Snapshot
from schemas.rule_versions import NO_MODES, Modes
from tests.unit.processors.core.reference_values import (
    EACH,
    NAN,
    PARTS,
    Evaluation,
    SensorState,
    State,
    compare,
    is_cut,
    parse,
)


class Reference:
    """Judges readings by the definitions' YAML models, without any array."""

    def __init__(
        self, kind: Kind, rules: list[tuple[Rule, RuleDefinition]], snapshot: Snapshot, timezone: str = "UTC"
    ) -> None:
        self.kind = kind
        self.zone = ZoneInfo(timezone)
        self.rules = rules
        self.log_time = 0
        self.modes = NO_MODES
        self.snapshot = snapshot
        self.states: dict[tuple[str, str], SensorState] = {}
        self.counts: Counter[str] = Counter()

    def _kept(self) -> set[State]:
        kept: set[State] = set()
        for key in {key for rule, _ in self.rules for key in rule.needs.windows}:
            if key.tumbling:
                kept |= {(f"each {key.length_ms}", key.field, part) for part in EACH[key.aggregate]}
            elif key.aggregate in PARTS:
                for part in PARTS[key.aggregate]:
                    length = 0 if part == "newest" else key.length_ms or f"hours {key.hours}"
                    kept.add((length, key.field, part))
            else:
                days = key.length_ms if key.aggregate == "usual_level" else key.days
                kept.add((f"{days} {key.hours}", key.field, key.aggregate))
        return kept

    def set_registry(self, snapshot: Snapshot, log_time: int) -> list[tuple[Any, ...]]:
        result = self.tick(log_time)
        known = {key for key in self.states if self._sensor(key[1])}
        self.snapshot = snapshot
        for (run, sensor_id), state in self.states.items():
            self._cut(state, self._sensor(sensor_id))
            if self._sensor(sensor_id) and (run, sensor_id) not in known:
                state.heard = self.log_time
        return result + self._end(self.rules, self.rules)

    def set_rules(self, rules: list[tuple[Rule, RuleDefinition]], log_time: int) -> list[tuple[Any, ...]]:
        result = self.tick(log_time)
        old = self.rules
        self.rules = rules
        for (_, sensor_id), state in self.states.items():
            self._cut(state, self._sensor(sensor_id))
        return result + self._end(old, rules)

    def _end(
        self, old: list[tuple[Rule, RuleDefinition]], new: list[tuple[Rule, RuleDefinition]]
    ) -> list[tuple[Any, ...]]:
        """Clear what does not go on; a track whose levels have changed keeps its level alone."""
        ended = []
        now = {rule.id: (rule, definition) for rule, definition in new}
        for (run, sensor_id), state in self.states.items():
            for rule, definition in old:
                successor = now.get(rule.id)
                goes_on = (
                    successor is not None
                    and value_of(successor[1]) == value_of(definition)
                    and self._applies(*successor, self._sensor(sensor_id))
                )
                track = state.tracks.get(rule.id)
                level, onset = state.silences.get(rule.id, (track.level, track.onset) if track else (0, 0))
                if not goes_on:
                    state.tracks.pop(rule.id, None)
                    state.silences.pop(rule.id, None)
                    if level:
                        at = self.log_time if definition.no_data else state.newest
                        state.sequences[rule.id] += 1
                        mode = "exercise" if run else "live"
                        ended.append(
                            (0, rule.id, sensor_id, mode, "cleared", 0, level, onset, at, state.sequences[rule.id], "nan")
                        )  # fmt: skip
                if successor and not (
                    levels_of(successor[1]) == levels_of(definition) and value_of(successor[1]) == value_of(definition)
                ):
                    state.nights.pop(rule.id, None)
                if goes_on and track and successor and levels_of(successor[1]) != levels_of(definition):
                    state.tracks[rule.id] = Track(level, onset)
        return sorted(ended, key=lambda said: (said[2], said[3], said[1]))

    def tick(self, log_time: int) -> list[tuple[Any, ...]]:
        before, self.log_time = self.log_time, max(self.log_time, log_time)
        if self.log_time - before > 60_000:
            for state in self.states.values():
                state.heard += self.log_time - before
        at = self.log_time // 10_000 * 10_000
        if at <= before:
            return []
        result = []
        for (run, sensor_id), state in sorted(self.states.items(), key=lambda item: item[0][1]):
            sensor = self._sensor(sensor_id)
            for rule, definition in sorted(self.rules, key=lambda pair: pair[0].id):
                if sensor is None or definition.no_data is None or run or not self._applies(rule, definition, sensor):
                    continue
                silent = (at - state.heard) / 1000
                evaluation = Evaluation(self.kind, self.zone, sensor, state, {})
                reached = [w for w, text in definition.no_data.items() if silent >= evaluation.number(parse(text))]
                new = max((level_of(word).value for word in reached), default=0)
                level, onset = state.silences.get(rule.id, (0, state.heard))
                if new != level:
                    state.silences[rule.id] = (new, onset)
                    if not new:
                        del state.silences[rule.id]
                    state.sequences[rule.id] += 1
                    word = "raised" if not level else "changed" if new else "cleared"
                    result.append(
                        (0, rule.id, sensor_id, "live", word, new, level, onset, at, state.sequences[rule.id], repr(silent))
                    )  # fmt: skip
        return result

    def _hear(self, state: SensorState) -> list[tuple[Any, ...]]:
        result = []
        for rule, _ in self.rules:
            level, onset = state.silences.pop(rule.id, (0, 0))
            if level:
                state.sequences[rule.id] += 1
                silent = repr((self.log_time - state.heard) / 1000)
                result.append((rule.id, ("cleared", 0, level, onset, self.log_time, state.sequences[rule.id], silent)))
        state.heard = self.log_time
        return result

    def _applies(self, rule: Rule, definition: RuleDefinition, sensor: Sensor | None) -> bool:
        if sensor is None or not rule.where.matches(sensor):
            return False
        at = Evaluation(self.kind, self.zone, sensor, SensorState(), {})
        if any(math.isnan(at.attribute(a)) for a in rule.needs.attributes):
            return False
        limits = [at.number(parse(t.text)) for t in rule.thresholds]
        return not limits or bool(rule.when) or not all(math.isnan(limit) for limit in limits)

    def _sensor(self, sensor_id: str) -> Sensor | None:
        sensor = self.snapshot.sensors.get(sensor_id)
        return sensor if sensor is not None and sensor.kind == self.kind.name else None

    def _cut(self, state: SensorState, sensor: Sensor | None) -> None:
        period = float(sensor.attributes.get("period_s", self.kind.period_s)) if sensor else self.kind.period_s
        kept = self._kept()
        windows = {key.window for rule, _ in self.rules for key in rule.needs.windows if not key.hours}
        lengths: dict[int | str, int] = {
            f"each {w.length_ms}" if w.tumbling else w.length_ms: w.length_ms for w in windows if w.length_ms
        }
        buckets = {key: max(1, min(60, length // max(1, round(period * 1000)))) for key, length in lengths.items()}
        state.kept_from = {
            key: state.kept_from[key]
            if key in state.kept_from and (not is_cut(key) or state.buckets.get(key[0]) == buckets[key[0]])
            else len(state.readings)
            for key in kept
        }
        state.buckets = buckets

    def process(self, batch: Batch, log_time: int) -> list[tuple[Any, ...]]:
        """What each signal says, and the index of its reading in the batch."""
        result = self.tick(log_time)
        for index in range(len(batch)):
            sensor_id = batch.sensor_ids[batch.sensor[index]]
            values = {name: float(column[index]) for name, column in batch.values.items()}
            result += self._reading(batch, index, sensor_id, int(batch.observed_at[index]), values)
        return result

    def _reading(
        self, batch: Batch, index: int, sensor_id: str, time: int, values: dict[str, float]
    ) -> list[tuple[Any, ...]]:
        sensor = self._sensor(sensor_id)
        if batch.mode is Mode.HISTORY:
            return self._not_judged("history")
        if sensor is None:
            return self._not_judged("unregistered")
        run = "" if batch.mode is Mode.LIVE else batch.run_id
        state = self.states.get((run, sensor_id))
        if state is None:
            state = self.states[run, sensor_id] = SensorState()
            self._cut(state, sensor)
        said_of = dict(self._hear(state))
        if self._is_judged(batch, index, state, time):
            self._take_in(state, time, values)
            for rule, definition in self.rules:
                if definition.no_data is None:
                    said = self._judge(rule, definition, sensor, state, values)
                    if said is not None:
                        said_of[rule.id] = said
        mode = str(batch.mode)
        return [(index, r.id, sensor_id, mode, *said_of[r.id]) for r, _ in self.rules if r.id in said_of]

    def _is_judged(self, batch: Batch, index: int, state: SensorState, time: int) -> bool:
        if batch.late[index]:
            return bool(self._not_judged("late"))
        if state.newest is not None and time <= state.newest:
            if state.forgotten is not None and time <= state.forgotten:
                return bool(self._not_judged("too_old"))
            if time in state.recent:
                return bool(self._not_judged("doubled"))
        self.counts["judged"] += 1
        return True

    def _take_in(self, state: SensorState, time: int, values: dict[str, float]) -> None:
        state.recent.append(time)
        if len(state.recent) > remembered_times(self.kind):
            lost = state.recent.popleft()
            state.forgotten = lost if state.forgotten is None else max(state.forgotten, lost)
        newer = state.newest is None or time > state.newest
        state.at_work[len(state.readings)] = {
            key
            for rule, _ in self.rules
            for key in rule.needs.windows
            if (track := state.tracks.get(rule.id)) and (track.level or track.holding)
        }
        state.newest = time if state.newest is None else max(state.newest, time)
        state.readings.append((time, values, state.newest, newer))

    def _not_judged(self, why: str) -> list[tuple[Any, ...]]:
        self.counts[why] += 1
        return []

    def _judge(
        self, rule: Rule, definition: RuleDefinition, sensor: Sensor, state: SensorState, values: dict[str, float]
    ) -> tuple[Any, ...] | None:
        at = Evaluation(self.kind, self.zone, sensor, state, values)
        if not self._applies(rule, definition, sensor):
            return None
        value = at.number(parse(definition.value)) if definition.value is not None else NAN
        if definition.stuck and definition.value is not None:
            value = at.unchanged(definition.value)
        known = definition.value is None or not math.isnan(value)
        height = 0
        for word in definition.levels():
            ways: list[bool] = []
            for comparison in ("above", "below", "above_or_equal", "below_or_equal"):
                given = getattr(definition, comparison) or {}
                if word in given:
                    ways.append(compare(comparison, value, at.number(parse(given[word]))))
            if definition.stuck and word in definition.stuck:
                ways.append(value >= at.number(parse(definition.stuck[word])))
            if definition.outside and word in definition.outside:
                low, high = definition.outside[word]
                ways.append(value < at.number(parse(low)) or value > at.number(parse(high)))
            if definition.when and word in definition.when:
                truth = at.condition(parse(definition.when[word]))
                known &= truth is not None
                ways.append(truth is True)
            holds = any(ways)
            if definition.and_ and word in definition.and_:
                truth = at.condition(parse(definition.and_[word]))
                known &= truth is not None
                holds &= truth is True
            if holds:
                height = level_of(word).value
        if rule.nights:
            known &= at.night_is_complete(rule.nights.hours)
        outside = not self._in_force(definition, at, sensor, state)
        if outside:
            height, known = 0, True
        if not known:
            self.counts[f"without value {rule.id}"] += 1
            return None
        if rule.nights:
            night = at.night(rule.nights.hours, state.newest or 0)
            heights = state.nights.setdefault(rule.id, {})
            heights[night] = height
            last = sorted(heights.get(night - back, 0) for back in range(rule.nights.of))
            height = last[-rule.nights.at_least]
        track = state.tracks.setdefault(rule.id, Track())
        assert state.newest is not None
        transition = step(track, rule.ladder, state.newest, height, outside or self._is_clear(definition, at, value))
        if transition is None:
            return None
        state.sequences[rule.id] += 1
        return (
            transition.word, transition.level, transition.previous, transition.onset, transition.at,
            state.sequences[rule.id], repr(value),
        )  # fmt: skip

    def set_modes(self, modes: Modes, log_time: int) -> list[tuple[Any, ...]]:
        result = self.tick(log_time)
        self.modes = modes
        return result

    def _in_force(self, definition: RuleDefinition, at: Evaluation, sensor: Sensor, state: SensorState) -> bool:
        given = definition.schedule
        if given is None:
            return True
        newest = state.newest or 0
        if given.hours and not any(at.inside(hours, newest) for hours in given.hours):
            return False
        local = datetime.fromtimestamp(newest / 1000, self.zone)
        day = local.month * 100 + local.day
        if given.seasons and not any(
            first <= day <= last if first <= last else day >= first or day <= last for first, last in given.seasons
        ):
            return False
        return given.mode is None or self.modes.mode_of(sensor.zone, self.log_time) == given.mode

    @staticmethod
    def _is_clear(definition: RuleDefinition, at: Evaluation, value: float) -> bool:
        given = definition.clear
        clear = True
        for comparison in ("above", "below", "above_or_equal", "below_or_equal"):
            text = getattr(given, comparison)
            if text is not None:
                clear &= compare(comparison, value, at.number(parse(text)))
        if given.inside is not None:
            clear &= at.number(parse(given.inside[0])) <= value <= at.number(parse(given.inside[1]))
        if given.when is not None:
            clear &= at.condition(parse(given.when)) is True
        return clear


def value_of(definition: RuleDefinition) -> tuple[Any, ...]:
    return definition.kind, definition.value, definition.stuck


def levels_of(definition: RuleDefinition) -> tuple[Any, ...]:
    given = definition
    return (
        given.above, given.below, given.above_or_equal, given.below_or_equal, given.outside, given.when, given.and_,
        given.for_, given.clear, given.nights, given.schedule,
    )  # fmt: skip
