"""Tests of couplings that are written as stories: signals and events with their times, and what is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from processors.core.cases import START, CaseError, describe
from processors.core.coupling.coupling import CouplingSet
from processors.core.coupling.definition import Milliseconds
from processors.core.coupling.engine import CouplingEngine
from processors.core.coupling.places import EARTH_M
from processors.core.definition import LevelWord, Strict, Text
from processors.core.durations import duration_text
from processors.core.evidence import alert_id, signal_id
from schemas.levels import Level, level_of
from schemas.records import Event, Signal
from schemas.registry import Asset, Sensor, Snapshot

ORIGIN = (30.2, 112.4)
"""Latitude and longitude from which `position` counts metres to the east and the north."""
ZONE = "city/district/street/community/grid"
HOUR_MS = 3_600_000


class Step(Strict):
    """A later level of the same alert."""

    at: Milliseconds
    level: LevelWord


class SignalStory(Strict):
    """An alert of a rule at a sensor, from its raise on, or an event from outside (`event`, valid until `until`)."""

    at: Milliseconds
    rule: Text | None = None
    event: Text | None = None
    level: LevelWord = "yellow"
    then: list[Step] = Field(default_factory=list)
    cleared_at: Milliseconds | None = None
    until: Milliseconds | None = None
    zone: str = ZONE
    sensor: str = ""
    asset_id: str = ""
    position: tuple[float, float] | None = None
    arrives_at: Milliseconds | None = None


class CouplingExpectation(Strict):
    """A coupled alert at a time: its level, that it cleared, or that more joined; perhaps where, for whom, of whom."""

    at: Milliseconds
    level: LevelWord | None = None
    cleared: bool = False
    joined: bool = False
    zone: str | None = None
    departments: list[str] | None = None

    @property
    def word(self) -> str:
        return str(self.level) if self.level else "joined" if self.joined else "cleared"

    def __str__(self) -> str:
        return f"{duration_text(self.at)} {self.word}"


class CouplingCase(Strict):
    """One story about one coupling. `assets` are geometries (WKT, metres east and north) by id."""

    name: Text
    coupling: Text
    signals: Annotated[list[SignalStory], Field(min_length=1)]
    assets: dict[str, str] = Field(default_factory=dict)
    expect: list[CouplingExpectation]

    @property
    def rule(self) -> str:
        """What the story is about, as in stories of rules."""
        return self.coupling


class CouplingCaseFile(Strict):
    """A file of such stories."""

    tests: Annotated[list[CouplingCase], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class CouplingOutcome:
    """What a story gave, and `problem`, empty if that was expected."""

    case: CouplingCase
    signals: list[Signal]
    problem: str

    @property
    def passed(self) -> bool:
        return not self.problem


def run_coupling_case(case: CouplingCase, couplings: CouplingSet) -> CouplingOutcome:
    """Play a story through the engine, with its coupling alone. Raises `CaseError`."""
    try:
        coupling = couplings[case.coupling]
    except KeyError:
        raise CaseError("coupling", f"there is no coupling {case.coupling!r}") from None
    log = []
    sensors: dict[str, Sensor] = {}
    for number, story in enumerate(case.signals):
        if (story.rule is None) == (story.event is None):
            raise CaseError("signals", f"signals[{number}]: give `rule` or `event`")
        log += _event(story, number) if story.event else _signals(story, number, sensors)
    assets = {name: Asset(name, "", name, ZONE, geometry_wkt=_wkt(text)) for name, text in case.assets.items()}
    engine = CouplingEngine(CouplingSet([coupling]), Snapshot(1, sensors, assets))
    found: list[Signal] = []
    for log_time, _, one in sorted(log, key=lambda entry: entry[:2]):
        found += engine.signal(one, log_time) if isinstance(one, Signal) else engine.event(one, log_time)
    # what has an end comes to it; what is open stays
    while (due := engine.next_due()) is not None:
        found += engine.progress(due)
    return CouplingOutcome(case, found, _problem(case.expect, found))


def describe_coupled(signal: Signal) -> str:
    """A signal of a story in the words of an expectation."""
    if signal.transition == "joined":
        return f"{duration_text(signal.at - START)} joined"
    return describe(signal)


def _signals(story: SignalStory, number: int, sensors: dict[str, Sensor]) -> list[tuple[int, int, Signal | Event]]:
    name = story.sensor or f"sensor-{number}"
    lat, lon = _place(*story.position) if story.position else (None, None)
    sensors[name] = Sensor(name, "", name, story.zone, "", lat, lon, story.asset_id)
    onset = START + story.at
    steps: list[tuple[int, Level]] = [(story.at, level_of(story.level))]
    steps += [(step.at, level_of(step.level)) for step in story.then]
    if story.cleared_at is not None:
        steps.append((story.cleared_at, Level.NONE))
    found: list[tuple[int, int, Signal | Event]] = []
    before = Level.NONE
    for sequence, (at, level) in enumerate(steps, 1):
        transition = "raised" if sequence == 1 else "changed" if level else "cleared"
        rule = str(story.rule)
        signal = Signal(
            signal_id(rule, name, sequence + 1000 * number, ""), rule, 1, 1, "", name, story.zone, story.asset_id,
            transition, level, before, onset, START + at, sequence, alert_id(rule, name, onset, str(number)),
            math.nan, "{}", "live", 0, 0, 0, type="coupling" if rule.startswith("coupled.") else "threshold",
        )  # fmt: skip
        found.append((START + max(at, story.arrives_at or 0), number, signal))
        before = level
    return found


def _event(story: SignalStory, number: int) -> list[tuple[int, int, Signal | Event]]:
    until = story.until if story.until is not None else story.at + 24 * HOUR_MS
    event = Event(
        f"event-{number}", str(story.event), level_of(story.level), story.zone, "", START + story.at, START + until,
        "story",
    )  # fmt: skip
    return [(START + (story.at if story.arrives_at is None else story.arrives_at), number, event)]


def _place(east: float, north: float) -> tuple[float, float]:
    lat = ORIGIN[0] + math.degrees(north / EARTH_M)
    return lat, ORIGIN[1] + math.degrees(east / EARTH_M / math.cos(math.radians(ORIGIN[0])))


def _wkt(text: str) -> str:
    """The geometry with metres from the origin made degrees. Raises `CaseError`."""
    head, _, body = text.partition("(")
    try:
        points = []
        for part in body.rstrip(") ").lstrip("( ").split(","):
            east, north = part.split()
            lat, lon = _place(float(east), float(north))
            points.append(f"{lon:.9f} {lat:.9f}")
    except ValueError:
        raise CaseError(
            "assets", f"{text!r} is not a geometry; allowed: LINESTRING (0 0, 100 0), POINT (10 20)"
        ) from None
    inner = ", ".join(points)
    return f"{head.strip()} (({inner}))" if head.strip().upper() == "POLYGON" else f"{head.strip()} ({inner})"


def _problem(expected: Sequence[CouplingExpectation], signals: Sequence[Signal]) -> str:
    got = [describe_coupled(signal) for signal in signals]
    wanted = [str(one) for one in expected]
    if got != wanted:
        return f"expected {', '.join(wanted) or 'no signal'}; got {', '.join(got) or 'no signal'}"
    for one, signal in zip(expected, signals, strict=True):
        if one.zone is not None and signal.zone != one.zone:
            return f"expected zone {one.zone} at {duration_text(one.at)}; got {signal.zone}"
        if one.departments is not None and signal.departments != one.departments:
            return f"expected departments {', '.join(one.departments)}; got {', '.join(signal.departments)}"
    return ""
