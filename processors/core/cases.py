"""Tests of rules that are written as stories: a sensor, a series, and the signals that are expected.

Series: values parted by blanks. `2.0x12` is 2.0 twelve times; `2.0-0.05x24` is 24 values, the first 2.0, each 0.05
less than the one before; `_` is a reading that lacks the field, `_x3` three of them. `(1x4 3x20)x14` repeats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from processors.core.definition import LevelWord, Strict, Text
from processors.core.durations import duration_ms, duration_text
from processors.core.engine import Engine
from processors.core.rules import RuleSet
from processors.core.silence import STEP_MS
from schemas.batch import Batch, Mode
from schemas.kinds import Kind
from schemas.records import Signal
from schemas.registry import Sensor, Snapshot
from schemas.rule_versions import Modes, ZoneMode

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z, where every story begins

_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_TERM = re.compile(rf"(?P<start>{_NUMBER}|_)(?P<step>[+-]\d+(?:\.\d+)?)?(?:x(?P<count>\d+))?")


_GROUP = re.compile(r"\(([^()]*)\)x(\d+)")


def parse_series(text: str) -> list[float]:
    """The values of a series; NaN for `_`. Raises `ValueError` naming the term."""
    values: list[float] = []
    while match := _GROUP.search(text):
        text = text[: match.start()] + " ".join([match[1]] * int(match[2])) + text[match.end() :]
    for term in text.split():
        match = _TERM.fullmatch(term)
        if not match or (match["step"] and (match["start"] == "_" or not match["count"])):
            raise ValueError(f"{term!r} is not understood; allowed: 2.0, 2.0x12, 2.0-0.05x24, _, _x3")
        count = int(match["count"] or 1)
        if match["start"] == "_":
            values += [float("nan")] * count
        else:
            # decimal steps from the start, rounded, so that 2.0-0.05x24 holds 1.8 and not 1.7999999999999998
            start, step = float(match["start"]), float(match["step"] or 0)
            values += [round(start + i * step, 9) for i in range(count)]
    if not values:
        raise ValueError("the series is empty")
    return values


def _milliseconds(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a length of time such as 10s or 3m40s is needed")
    return duration_ms(value)


def _series(value: Any) -> Any:
    return parse_series(str(value))


Milliseconds = Annotated[int, BeforeValidator(_milliseconds)]


class SensorDefinition(Strict):
    """The sensor of a story."""

    profile: str = ""
    zone: str = "city/district/street/community/grid"
    department: str = ""
    asset_id: str = ""
    attributes: dict[str, float | str] = Field(default_factory=dict)


class Expectation(Strict):
    """A signal: its time, and the level reached or that it cleared."""

    at: Milliseconds
    level: LevelWord | None = None
    cleared: bool = False
    value: float | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Expectation:
        if (self.level is None) != self.cleared:
            raise ValueError("give either `level: blue|yellow|orange|red` or `cleared: true`")
        return self

    def __str__(self) -> str:
        text = f"{duration_text(self.at)} {self.level or 'cleared'}"
        return text if self.value is None else f"{text} ({self.value:g})"


class Case(Strict):
    """One story about one rule; `mode` is that of the sensor's zone."""

    name: Text
    rule: Text
    sensor: SensorDefinition = SensorDefinition()
    kind: Text | None = None
    every: Milliseconds
    from_: Milliseconds = Field(0, alias="from")
    mode: Literal["peace", "emergency"] = "peace"
    series: Annotated[dict[str, Annotated[list[float], BeforeValidator(_series)]], Field(min_length=1)]
    expect: list[Expectation]


class CaseFile(Strict):
    """A file of stories."""

    tests: Annotated[list[Case], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a story gave: the signals, and `problem`, empty if they are the expected ones."""

    case: Case
    signals: list[Signal]
    problem: str

    @property
    def passed(self) -> bool:
        return not self.problem


class CaseError(ValueError):
    """A story that cannot be played; `key` is the key at fault."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


def run_case(case: Case, rules: RuleSet, kinds: Mapping[str, Kind]) -> Outcome:
    """Play a story through the engine, with its rule alone. Raises `CaseError`."""
    try:
        rule = rules[case.rule]
    except KeyError:
        raise CaseError("rule", f"there is no rule {case.rule!r}") from None
    name = case.kind or rule.kind
    if name not in kinds or rule.kind not in (name, "*"):
        wanted = "which kind? the rule is for every one" if rule.kind == "*" else f"the rule is for {rule.kind}"
        raise CaseError("kind" if case.kind else "rule", f"{wanted}; kinds: {', '.join(sorted(kinds))}")
    kind = kinds[name]
    batch = _batch(case, kind)
    engine = Engine(kind, RuleSet((rule,)), _registry(case, kind), partition=0)
    if case.mode != "peace":
        engine.set_modes(Modes(1, "", "", 0, (ZoneMode(case.sensor.zone, case.mode, 2**62),)), offset=0, log_time=START)
    if rule.silent:
        signals = _play_in_time(engine, batch, START + case.from_, case.every * len(next(iter(case.series.values()))))
    else:
        signals = engine.process(batch, offset=0, log_time=START)
    return Outcome(case, signals, _problem(case.expect, signals))


def _play_in_time(engine: Engine, batch: Batch, first: int, length_ms: int) -> list[Signal]:
    """Each reading in a record of its own when it was measured, and ticks every 10 s, to the end of the series."""
    signals = []
    times = batch.observed_at.tolist()
    for at in sorted({*times, *range(first, first + length_ms + 1, STEP_MS)}):
        if times and at == times[0]:
            row = slice(len(batch) - len(times), len(batch) - len(times) + 1)
            one = replace(
                batch, sensor=batch.sensor[row], observed_at=batch.observed_at[row], late=batch.late[row],
                values={name: values[row] for name, values in batch.values.items()},
            )  # fmt: skip
            signals += engine.process(one, offset=0, log_time=times.pop(0))
        else:
            signals += engine.tick(offset=0, log_time=at)
    return signals


def describe(signal: Signal) -> str:
    """A signal of a story in the words of an expectation."""
    word = "cleared" if signal.transition == "cleared" else signal.level.word
    return f"{duration_text(signal.at - START)} {word}"


def _batch(case: Case, kind: Kind) -> Batch:
    for name in case.series:
        if name not in kind.field_names:
            raise CaseError("series", f"`{name}` is not a field of {kind.name}; fields: {', '.join(kind.field_names)}")
    lengths = {len(values) for values in case.series.values()}
    if len(lengths) > 1:
        raise CaseError("series", f"the series differ in length: {', '.join(map(str, sorted(lengths)))} values")
    count = lengths.pop()
    columns: dict[str, NDArray[np.float64]] = {}
    here = np.ones(count, np.bool_)
    for field in kind.fields:
        values = np.array(case.series.get(field.name, [np.nan] * count))
        columns[field.name] = values
        if not field.optional:
            here &= ~np.isnan(values)  # a reading without a field that every reading has is no reading
    times = (START + case.from_ + np.arange(count) * case.every)[here]
    return Batch(
        kind.name, "rules-test", "test", Mode.LIVE, "", START, ["sensor"], np.zeros(len(times), np.int32),
        times, np.zeros(len(times), np.bool_), {name: values[here] for name, values in columns.items()},
    )  # fmt: skip


def _registry(case: Case, kind: Kind) -> Snapshot:
    given = case.sensor
    sensor = Sensor(
        "sensor", kind.name, "sensor", given.zone, given.department,
        asset_id=given.asset_id, profile=given.profile, attributes={"period_s": case.every / 1000, **given.attributes},
    )  # fmt: skip
    return Snapshot(1, {"sensor": sensor}, {})


def _problem(expected: Sequence[Expectation], signals: Sequence[Signal]) -> str:
    got = [describe(signal) for signal in signals]
    wanted = [f"{duration_text(e.at)} {e.level or 'cleared'}" for e in expected]
    if got != wanted:
        return f"expected {', '.join(wanted) or 'no signal'}; got {', '.join(got) or 'no signal'}"
    for expectation, signal in zip(expected, signals, strict=True):
        if expectation.value is not None and abs(signal.value - expectation.value) > 1e-6:
            return f"expected {expectation}; got the value {signal.value:g}"
    return ""
