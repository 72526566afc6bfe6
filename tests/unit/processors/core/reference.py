"""What the engine must give, in the plainest way: one reading at a time, windows worked out anew from all readings."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from processors.core.arrival import remembered_times
from processors.core.definition import RuleDefinition
from processors.core.durations import duration_ms
from processors.core.expression import nodes
from processors.core.expression import parse as parser
from processors.core.levels import Track, step
from processors.core.rule import Rule
from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from schemas.levels import level_of
from schemas.registry import Sensor, Snapshot

NAN = math.nan
parse = lru_cache(parser.parse)
Reading = tuple[int, dict[str, float]]


@dataclass
class SensorState:
    """Everything about one sensor, and for each rule its track and number of signals."""

    newest: int | None = None
    readings: list[Reading] = field(default_factory=list)
    recent: deque[int] = field(default_factory=deque)
    forgotten: int | None = None
    kept_from: dict[int, int] = field(default_factory=dict)  # by window: readings before were forgotten when n changed
    buckets: dict[int, int] = field(default_factory=dict)  # by window: its n
    tracks: dict[str, Track] = field(default_factory=dict)
    sequences: Counter[str] = field(default_factory=Counter)


class Reference:
    """Judges readings by the definitions' YAML models, without any array."""

    def __init__(self, kind: Kind, rules: list[tuple[Rule, RuleDefinition]], snapshot: Snapshot) -> None:
        self.kind = kind
        self.rules = rules
        self.windows = sorted({key.length_ms for rule, _ in rules for key in rule.needs.windows})
        self.snapshot = snapshot
        self.states: dict[tuple[str, str], SensorState] = {}
        self.counts: Counter[str] = Counter()

    def set_registry(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        for (_, sensor_id), state in self.states.items():
            self._cut(state, self._sensor(sensor_id))

    def _sensor(self, sensor_id: str) -> Sensor | None:
        sensor = self.snapshot.sensors.get(sensor_id)
        return sensor if sensor is not None and sensor.kind == self.kind.name else None

    def _cut(self, state: SensorState, sensor: Sensor | None) -> None:
        period = float(sensor.attributes.get("period_s", self.kind.period_s)) if sensor else self.kind.period_s
        for length in self.windows:
            count = max(1, min(60, length // max(1, round(period * 1000))))
            if state.buckets.get(length) != count:
                state.buckets[length] = count
                state.kept_from[length] = len(state.readings)

    def process(self, batch: Batch) -> list[tuple[Any, ...]]:
        """What each signal says, and the index of its reading in the batch."""
        result = []
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
        if batch.late[index]:
            return self._not_judged("late")
        if state is None:
            state = self.states[run, sensor_id] = SensorState()
            self._cut(state, sensor)
        if state.newest is not None and time <= state.newest:
            if state.forgotten is not None and time <= state.forgotten:
                return self._not_judged("too_old")
            if time in state.recent:
                return self._not_judged("doubled")
        self.counts["judged"] += 1
        state.recent.append(time)
        if len(state.recent) > remembered_times(self.kind):
            lost = state.recent.popleft()
            state.forgotten = lost if state.forgotten is None else max(state.forgotten, lost)
        state.newest = time if state.newest is None else max(state.newest, time)
        state.readings.append((time, values))
        result = []
        for rule, definition in self.rules:
            said = self._judge(rule, definition, sensor, state, values)
            if said is not None:
                result.append((index, rule.id, sensor_id, str(batch.mode), *said))
        return result

    def _not_judged(self, why: str) -> list[tuple[Any, ...]]:
        self.counts[why] += 1
        return []

    def _judge(
        self, rule: Rule, definition: RuleDefinition, sensor: Sensor, state: SensorState, values: dict[str, float]
    ) -> tuple[Any, ...] | None:
        at = Evaluation(self, sensor, state, values)
        if not rule.where.matches(sensor) or any(math.isnan(at.attribute(a)) for a in rule.needs.attributes):
            return None
        value = at.number(parse(definition.value)) if definition.value is not None else NAN
        known = definition.value is None or not math.isnan(value)
        height = 0
        for word in definition.levels():
            ways: list[bool] = []
            for comparison in ("above", "below", "above_or_equal", "below_or_equal"):
                given = getattr(definition, comparison) or {}
                if word in given:
                    ways.append(compare(comparison, value, at.number(parse(given[word]))))
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
        if not known:
            self.counts[f"without value {rule.id}"] += 1
            return None
        track = state.tracks.setdefault(rule.id, Track())
        assert state.newest is not None
        transition = step(track, rule.ladder, state.newest, height, self._is_clear(definition, at, value))
        if transition is None:
            return None
        state.sequences[rule.id] += 1
        return (
            transition.word, transition.level, transition.previous, transition.onset, transition.at,
            state.sequences[rule.id], repr(value),
        )  # fmt: skip

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


def compare(comparison: str, value: float, limit: float) -> bool:
    return {
        "above": value > limit,
        "below": value < limit,
        "above_or_equal": value >= limit,
        "below_or_equal": value <= limit,
    }[comparison]


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return NAN
    return math.copysign(math.inf, a) * math.copysign(1, b)


class Evaluation:
    """An expression at one reading of one sensor."""

    def __init__(self, reference: Reference, sensor: Sensor, state: SensorState, values: dict[str, float]) -> None:
        self._kind = reference.kind
        self._sensor = sensor
        self._state = state
        self._values = values

    def attribute(self, name: str) -> float:
        value = self._sensor.attributes.get(name)
        return float(value) if isinstance(value, int | float) else NAN

    def number(self, node: nodes.Node) -> float:
        match node:
            case nodes.Number():
                return node.value
            case nodes.Name():
                return self._values[node.name]
            case nodes.Attribute():
                return self.attribute(node.name)
            case nodes.Minus():
                return -self.number(node.operand)
            case nodes.Arithmetic():
                a, b = self.number(node.left), self.number(node.right)
                return {"+": a + b, "-": a - b, "*": a * b, "/": divide(a, b)}[node.sign]
            case nodes.Call(function="abs"):
                return abs(self.number(node.arguments[0]))
            case nodes.Call(function="least" | "greatest"):
                numbers = [self.number(a) for a in node.arguments]
                if any(math.isnan(n) for n in numbers):
                    return NAN
                return min(numbers) if node.function == "least" else max(numbers)
            case nodes.Call(function="or_else"):
                first = self.number(node.arguments[0])
                return self.number(node.arguments[1]) if math.isnan(first) else first
            case nodes.Call(function="if"):
                truth = self.condition(node.arguments[0])
                return NAN if truth is None else self.number(node.arguments[1 if truth else 2])
            case nodes.Call(arguments=(nodes.Name(name=name), nodes.Duration(text=length))):
                return self.window(node.function, name, duration_ms(length))
        raise TypeError(node)

    def condition(self, node: nodes.Node) -> bool | None:
        """None: not known."""
        match node:
            case nodes.Comparison():
                a, b = self.number(node.left), self.number(node.right)
                if math.isnan(a) or math.isnan(b):
                    return None
                return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[node.sign]
            case nodes.Not():
                truth = self.condition(node.operand)
                return None if truth is None else not truth
            case nodes.AllOf():
                parts = [self.condition(p) for p in node.parts]
                return False if False in parts else None if None in parts else True
            case nodes.AnyOf():
                parts = [self.condition(p) for p in node.parts]
                return True if True in parts else None if None in parts else False
            case nodes.Call(arguments=(nodes.Attribute(name=name),)):
                return not math.isnan(self.attribute(name))
        raise TypeError(node)

    def window(self, function: str, name: str, length: int) -> float:
        """Everything from the raw readings; sums in whole steps of the resolution (which is 1/whole here)."""
        state = self._state
        per_unit = float(round(1 / self._kind.field(name).resolution))
        count = state.buckets[length]
        assert state.newest is not None
        newest = state.newest * count // length
        all_buckets: dict[int, list[tuple[int, int]]] = {}
        for time, values in state.readings[state.kept_from[length] :]:
            bucket = time * count // length
            if not math.isnan(values[name]) and newest - count <= bucket <= newest:
                all_buckets.setdefault(bucket, []).append((time, round(values[name] * per_unit)))
        # `latest` is kept beside the windows and outlives their being cut anew
        everything = [(t, round(v[name] * per_unit)) for t, v in state.readings if not math.isnan(v[name])]
        buckets = {b: readings for b, readings in all_buckets.items() if b > newest - count}
        inside = [reading for readings in buckets.values() for reading in readings]
        steps = [step for _, step in inside]
        last = max(everything, default=None)
        if last is not None and last[0] * count // length <= newest - count:
            last = None
        match function:
            case "count":
                return float(len(steps))
            case "last":
                return last[1] / per_unit if last else NAN
            case "change" | "rate":
                oldest = min((reading for readings in all_buckets.values() for reading in readings), default=None)
                if oldest is None or last is None or last[0] <= oldest[0]:
                    return NAN
                change = (last[1] - oldest[1]) / per_unit
                return change if function == "change" else change / ((last[0] - oldest[0]) / 1000.0)
        if not steps:
            return NAN
        match function:
            case "mean":
                return float(sum(steps)) / (float(len(steps)) * per_unit)
            case "sum":
                return sum(steps) / per_unit
            case "min":
                return min(steps) / per_unit
            case "max":
                return max(steps) / per_unit
            case "range":
                return (max(steps) - min(steps)) / per_unit
            case "median":
                means = sorted(
                    float(sum(s for _, s in readings)) / float(len(readings)) for readings in buckets.values()
                )
                middle = len(means) // 2
                return (means[middle] if len(means) % 2 else (means[middle - 1] + means[middle]) / 2) / per_unit
        raise ValueError(function)
