"""Compiled couplings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from processors.core.coupling.definition import CONCERNED, ONE_ABOVE, THE_HIGHEST, CouplingDefinition, CouplingFile
from processors.core.coupling.episodes import Episode
from processors.core.coupling.intervals import Intervals, intersection, union
from processors.core.coupling.pattern import EVENT, Leaf, Pattern, compile_pattern
from processors.core.definition import LevelWord
from schemas.levels import Level, level_of


@dataclass(frozen=True, slots=True)
class Coupling:
    """One coupling. `departments` has the lead first; `absent` must not hold within `absent_ms` of the onset."""

    id: str
    version: int
    standard: str
    title: Mapping[str, str]
    advice: Mapping[str, str]
    source: str
    confidence: str
    pattern: Pattern
    leaves: tuple[Leaf, ...]
    absent: Leaf | None
    absent_ms: int
    same: str
    metres: float | None
    wait_ms: int
    raise_: str | Mapping[LevelWord, LevelWord]
    priority: int
    departments: tuple[str, ...]
    concerned: bool
    departments_of: Mapping[str, Sequence[str]]
    order: int
    file: str
    line: int

    @property
    def sees(self) -> tuple[object, ...]:
        """What decides where and when it holds: if it is equal, a newer version goes on with the state of the old."""
        return self.pattern, self.absent, self.absent_ms, self.same, self.metres

    def matched(self, episode: Episode) -> list[Leaf]:
        return [leaf for leaf in self.leaves if leaf.matches(episode)]

    def holds(self, group: Sequence[Episode]) -> Intervals:
        """When the pattern holds and at least one of the signals is open (events count if there is nothing else)."""
        signals = [one for one in group if one.type != "event"] or group
        open_ = union(interval for one in signals for leaf in self.leaves for interval in leaf.open(one))
        return intersection(self.pattern.holds(group), open_)

    def belong(self, one: Episode, other: Episode, *, same_place: bool) -> bool:
        """Do two related episodes belong together: at overlapping times, and of the same zone or asset or else of
        different branches? Two full manholes 100 m apart are two places, those of one grid are one.
        """
        return any(
            (same_place or a.branch != b.branch or a.branch < 0)
            and a.matches(one)
            and b.matches(other)
            and intersection(a.counts(one), b.counts(other))
            for a in self.leaves
            for b in self.leaves
        )

    def level(self, group: Sequence[Episode]) -> Level:
        """The level that the group raises now."""
        highest = max(
            (max(one.level, leaf.minimum) for one in group for leaf in self.leaves if leaf.matches(one)),
            default=Level.BLUE,
        )
        highest = max(highest, Level.BLUE)
        if not isinstance(self.raise_, str):
            table = {level_of(key): level_of(value) for key, value in self.raise_.items()}
            fitting = [table[key] for key in sorted(table) if key <= highest]
            return fitting[-1] if fitting else min(table.values())
        if self.raise_ == ONE_ABOVE:
            return Level(min(highest + 1, Level.RED))
        if self.raise_ == THE_HIGHEST:
            return Level(highest)
        if self.raise_.startswith("at least "):
            return max(Level(highest), level_of(self.raise_.removeprefix("at least ")))
        return level_of(self.raise_)

    def departments_for(self, group: Sequence[Episode]) -> list[str]:
        """The departments of an alert, the lead first."""
        found = list(self.departments)
        if self.concerned:
            found += sorted({d for one in group for d in self.departments_of.get(one.rule_id, ())} - set(found))
        return found


class CouplingSet:
    """Couplings in the order of their files."""

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        self.couplings = tuple(couplings)
        self._by_id = {coupling.id: coupling for coupling in self.couplings}

    def __iter__(self) -> Iterator[Coupling]:
        return iter(self.couplings)

    def __len__(self) -> int:
        return len(self.couplings)

    def __contains__(self, coupling_id: object) -> bool:
        return coupling_id in self._by_id

    def __getitem__(self, coupling_id: str) -> Coupling:
        """Raises `KeyError`."""
        return self._by_id[coupling_id]


def compile_coupling(
    definition: CouplingDefinition, file: CouplingFile, departments_of: Mapping[str, Sequence[str]], order: int,
    path: str, line: int,
) -> Coupling:  # fmt: skip
    """A coupling ready for the engine. `departments_of` are the departments of each rule."""
    pattern = compile_pattern(definition.when, definition.within)
    absent = None
    if definition.when.not_ is not None:
        what = definition.when.not_
        name = what.rule if what.rule is not None else f"{EVENT}{what.event}"
        lowest = Level.NONE if what.event is not None else Level.BLUE
        absent = Leaf(name, level_of(what.level) if what.level else lowest, 0, 0)
    named = [one for one in definition.departments if one not in (CONCERNED, definition.lead_department)]
    return Coupling(
        id=definition.id, version=definition.version or file.version, standard=file.standard, title=definition.title,
        advice=definition.advice, source=definition.source, confidence=definition.confidence, pattern=pattern,
        leaves=tuple(dict.fromkeys(pattern.leaves())), absent=absent,
        absent_ms=definition.when.not_.within if definition.when.not_ else 0, same=definition.related.same or "",
        metres=definition.related.or_within, wait_ms=definition.wait, raise_=definition.raise_,
        priority=definition.priority,
        departments=tuple(dict.fromkeys([definition.lead_department, *named])),
        concerned=CONCERNED in definition.departments, departments_of=departments_of, order=order, file=path, line=line,
    )  # fmt: skip
