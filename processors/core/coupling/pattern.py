"""Patterns: when a group of episodes fulfils a condition, in event time.

Everything here is a function of what the episodes say, not of the order in which they came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from processors.core.coupling.definition import Condition
from processors.core.coupling.episodes import Episode
from processors.core.coupling.intervals import (
    FOREVER,
    Interval,
    Intervals,
    at_least,
    containing,
    extended,
    intersection,
    union,
)
from schemas.levels import Level, level_of

EVENT = "event."
"""In front of an event's type it makes the rule id of its signals."""


def fits(pattern: str, rule_id: str) -> bool:
    """Does a rule's id fit what a coupling names: the id, or a pattern with `*`?"""
    return fnmatchcase(rule_id, pattern)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A rule or an event at a level or above. It still counts `holds_ms` after it has ended.

    Signals that are only near one another belong together if they match leaves of different branches.
    Branch −1 is that of `n_of`, where any two belong together.
    """

    pattern: str
    minimum: Level
    branch: int
    holds_ms: int

    def matches(self, episode: Episode) -> bool:
        """Does the episode's rule fit? A pattern with `*` means rules of sensors only, no data faults or couplings."""
        if "*" in self.pattern and not self.pattern.startswith(EVENT) and episode.type != "threshold":
            return False
        return fits(self.pattern, episode.rule_id)

    def open(self, episode: Episode) -> Intervals:
        """When the episode was open at the leaf's level."""
        return episode.at_level(self.minimum) if self.matches(episode) else []

    def counts(self, episode: Episode) -> Intervals:
        """When the episode counts: open, and the lookback after that."""
        return extended(self.open(episode), self.holds_ms)


class Pattern(ABC):
    """A node: `holds(group)` are the times at which the group fulfils it."""

    __slots__ = ()

    @abstractmethod
    def holds(self, group: Sequence[Episode]) -> Intervals: ...

    @abstractmethod
    def leaves(self) -> Iterator[Leaf]: ...


@dataclass(frozen=True, slots=True)
class One(Pattern):
    leaf: Leaf

    def holds(self, group: Sequence[Episode]) -> Intervals:
        return union(interval for episode in group for interval in self.leaf.counts(episode))

    def leaves(self) -> Iterator[Leaf]:
        yield self.leaf


@dataclass(frozen=True, slots=True)
class All(Pattern):
    parts: tuple[Pattern, ...]

    def holds(self, group: Sequence[Episode]) -> Intervals:
        found: Intervals = [(-FOREVER, FOREVER)]
        for part in self.parts:
            found = intersection(found, part.holds(group))
        return found

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class Any(Pattern):
    parts: tuple[Pattern, ...]

    def holds(self, group: Sequence[Episode]) -> Intervals:
        return union(interval for part in self.parts for interval in part.holds(group))

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class NOfThem(Pattern):
    count: int
    by_domain: bool
    of: tuple[Leaf, ...]

    def holds(self, group: Sequence[Episode]) -> Intervals:
        sets: dict[str, list[Interval]] = {}
        for episode in group:
            times = [interval for leaf in self.of for interval in leaf.counts(episode)]
            if times:
                sets.setdefault(episode.domain if self.by_domain else episode.id, []).extend(times)
        return at_least((union(times) for times in sets.values()), self.count)

    def leaves(self) -> Iterator[Leaf]:
        yield from self.of


@dataclass(frozen=True, slots=True)
class Sequence_(Pattern):  # noqa: N801 - `Sequence` is the type
    """Step by step: each begins `low` or more after the step before began, and at most `high` after that ended."""

    steps: tuple[Leaf, ...]
    after: tuple[tuple[int, int], ...]

    def holds(self, group: Sequence[Episode]) -> Intervals:
        chain = [interval for episode in group for interval in self.steps[0].open(episode)]
        for leaf, (low, high) in zip(self.steps[1:], self.after, strict=True):
            chain = [
                (start, end)
                for episode in group
                for start, end in leaf.open(episode)
                if any(s + low <= start and (e >= FOREVER or start <= e + high) for s, e in chain)
            ]
        return extended(chain, self.steps[-1].holds_ms)

    def leaves(self) -> Iterator[Leaf]:
        yield from self.steps


def compile_pattern(condition: Condition, within_ms: int) -> Pattern:
    """The pattern of a definition; `within_ms` is the lookback of its leaves (in a sequence `after` says it)."""
    branches = iter(range(1_000))

    def leaf(one: Condition, branch: int, holds_ms: int) -> Leaf:
        pattern = one.rule if one.rule is not None else f"{EVENT}{one.event}"
        lowest = Level.NONE if one.event is not None else Level.BLUE
        return Leaf(pattern, level_of(one.level) if one.level else lowest, branch, holds_ms)

    def node(one: Condition, branch: int | None) -> Pattern:
        if one.all_ is not None:
            return All(tuple(node(part, next(branches) if branch is None else branch) for part in one.all_))
        branch = next(branches) if branch is None else branch
        if one.any_ is not None:
            return Any(tuple(node(part, branch) for part in one.any_))
        if one.n_of is not None:
            leaves = tuple(leaf(part, -1, within_ms) for part in one.n_of.of)
            return NOfThem(one.n_of.at_least, one.n_of.distinct == "domain", leaves)
        if one.sequence is not None:
            spans = [step.after for step in one.sequence[1:] if step.after is not None]
            holds = [high for _, high in spans] + [within_ms or max(high for _, high in spans)]
            steps = tuple(leaf(step, next(branches), hold) for step, hold in zip(one.sequence, holds, strict=True))
            return Sequence_(steps, tuple(spans))
        return One(leaf(one, branch, within_ms))

    # of alternatives alone, any two belong together: one alert for the place, not one a signal
    alone = condition.any_ is not None or condition.is_leaf
    return node(condition, -1 if alone else None)


def first_without(holds: Intervals, vetoes: Intervals, span_ms: int, since: int) -> Interval | None:
    """The first part of `holds` behind `since` that begins with `span_ms` free of `vetoes`."""
    for start, end in holds:
        if end <= since:
            continue
        at = max(start, since)
        for veto_start, veto_end in vetoes:
            if veto_start <= at + span_ms and veto_end > at:
                at = veto_end
        if at + span_ms < end:
            return at, end
    return None


def end_of(holds: Intervals, time: int) -> int:
    """When what holds at `time` ends; `time` itself if nothing holds then."""
    found = containing(holds, time)
    return found[1] if found else time
