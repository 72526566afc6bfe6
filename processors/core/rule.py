"""A rule as the engine runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from processors.core.arrays import Bools
from processors.core.expression.check import Needs
from processors.core.expression.evaluate import ConditionFunction, Frame, NumberFunction, Value
from processors.core.levels import Ladder
from processors.core.night_count import NightCount
from processors.core.schedule import Schedule
from schemas.levels import LEVELS
from schemas.registry import Sensor

COMPARISONS = {
    "above": np.greater,
    "below": np.less,
    "above_or_equal": np.greater_equal,
    "below_or_equal": np.less_equal,
}


@dataclass(frozen=True, slots=True)
class Where:
    """Which sensors of the kind a rule is for; an empty set does not restrict."""

    profiles: frozenset[str] = frozenset()
    zones: tuple[str, ...] = ()
    departments: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()
    attributes: Mapping[str, frozenset[float | str]] = field(default_factory=dict)

    def matches(self, sensor: Sensor) -> bool:
        if self.profiles and sensor.profile not in self.profiles:
            return False
        if self.zones and not any(sensor.zone == z or sensor.zone.startswith(z + "/") for z in self.zones):
            return False
        if self.departments and sensor.department not in self.departments:
            return False
        if self.assets and sensor.asset_id not in self.assets:
            return False
        return all(sensor.attributes.get(name) in allowed for name, allowed in self.attributes.items())


@dataclass(frozen=True, slots=True)
class Threshold:
    """`value comparison limit` is one way for `level` to hold.

    `limit` gives a number for each sensor from its attributes; `constant` is that number where it is the same for
    all. `text` is what the rule's author wrote.
    """

    level: int
    comparison: str
    limit: NumberFunction
    constant: float | None
    text: str
    column: str


@dataclass(frozen=True, slots=True)
class Clear:
    """The rule's own clear condition: each comparison of the value that is given, and `when`, must hold."""

    thresholds: tuple[Threshold, ...]
    when: ConditionFunction | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `value` is None where the levels are given by `when` conditions alone."""

    id: str
    version: int
    standard: str
    kind: str
    order: int
    title: Mapping[str, str]
    advice: Mapping[str, str]
    priority: int
    departments: tuple[str, ...]
    source: str
    confidence: str
    where: Where
    needs: Needs
    value: NumberFunction | None
    value_text: str
    unit: str  # of the value; empty if it is a plain number, or nobody knows
    thresholds: tuple[Threshold, ...]
    when: Mapping[int, ConditionFunction]
    when_texts: Mapping[str, str]
    also: Mapping[int, ConditionFunction]
    ladder: Ladder
    clear: Clear | None
    clear_text: str
    evidence: Mapping[str, NumberFunction]
    nights: NightCount | None
    schedule: Schedule | None
    data_fault: bool  # it watches the sensor, not what the sensor watches
    silent: bool  # a `no_data` rule: its thresholds are seconds of silence
    same_value: str  # rules of one id and equal `same_value` judge the same number, so that open alerts go on
    same_levels: str  # with equal `same_levels` too, what is being timed goes on
    file: str
    line: int

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(level for level, _ in self.ladder.rises)

    @property
    def level_words(self) -> tuple[str, ...]:
        return tuple(LEVELS[level - 1].word for level in self.levels)


@dataclass(slots=True)
class Judgement:
    """A rule at each row: its value (NaN without one), the height, and whether it can be judged at all."""

    value: Value
    height: NDArray[np.int8]
    known: Bools
    outside: Bools | None = None  # out of the rule's schedule

    def out_of(self, outside: Bools) -> Judgement:
        """Where the rule is out of schedule no level holds, whatever its value is."""
        return Judgement(self.value, np.where(outside, np.int8(0), self.height), self.known | outside, outside)


def judge(rule: Rule, frame: Frame, limits: Mapping[str, Value], count: int) -> Judgement:
    """Evaluate a rule at `count` rows. `limits` has each threshold's limit at each row, by `Threshold.column`."""
    known: Bools = np.ones(count, np.bool_)
    value: Value = np.float64("nan")
    if rule.value is not None:
        value = rule.value(frame)
        known &= ~np.isnan(value)
    height = np.zeros(count, np.int8)
    for level in rule.levels:
        holds: Bools = np.zeros(count, np.bool_)
        for threshold in rule.thresholds:
            if threshold.level == level:
                holds |= COMPARISONS[threshold.comparison](value, limits[threshold.column])
        if level in rule.when:
            truth = rule.when[level](frame)
            holds |= truth.holds
            known &= truth.known
        if level in rule.also:
            truth = rule.also[level](frame)
            holds &= truth.holds
            known &= truth.known
        height[holds] = level
    return Judgement(value, height, known)


def is_clear(rule: Rule, frame: Frame, value: Value, limits: Mapping[str, Value], count: int) -> Bools:
    """The clear condition at each row; without one of its own, a rule is clear wherever no level holds."""
    clear: Bools = np.ones(count, np.bool_)
    if rule.clear is not None:
        for threshold in rule.clear.thresholds:
            clear &= COMPARISONS[threshold.comparison](value, limits[threshold.column])
        if rule.clear.when is not None:
            clear &= rule.clear.when(frame).holds
    return clear
