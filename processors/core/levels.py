"""How a rule's level moves at one sensor. This code is the definition; everything faster must give the same.

The input at each judged reading is the newest event time `at`, the `height` (highest level whose condition is true;
a level counts as held while a higher one is) and whether the clear condition is true.

    height   0   2   2   2   4   4   1   1   1   0   0      for: 2 readings, clear.for: 2 readings
    level    0   0   2   2   2   4   4   1   1   1   0
    signal           raised      changed changed     cleared
"""

from __future__ import annotations

from dataclasses import dataclass, field

from processors.core.durations import Hold


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long each defined level (1 to 4) must hold before it is reached, and how long must pass before it is left."""

    rises: tuple[tuple[int, Hold], ...]
    clear: Hold


@dataclass(slots=True)
class Timer:
    """How long something has held: since which event time, at how many readings."""

    since: int = 0
    readings: int = 0

    def tick(self, at: int) -> None:
        """It holds at this reading."""
        if self.readings == 0:
            self.since = at
        self.readings += 1

    def reset(self) -> None:
        """It does not hold at this reading."""
        self.readings = 0

    def has_met(self, hold: Hold, at: int) -> bool:
        return self.readings >= hold.readings and at - self.since >= hold.ms


@dataclass(slots=True)
class Track:
    """A rule's state at one sensor while it is not idle. An idle one is the same as a new one."""

    level: int = 0
    onset: int = 0
    holding: dict[int, Timer] = field(default_factory=dict)
    failing: Timer = field(default_factory=Timer)
    clearing: Timer = field(default_factory=Timer)

    def is_settled(self, height: int) -> bool:
        """Will the same height again change nothing, however often and whenever it comes?"""
        return self.level == height


@dataclass(frozen=True, slots=True)
class Transition:
    """`word` is raised, changed or cleared; `onset` is when the condition that led to `raised` began to hold."""

    word: str
    level: int
    previous: int
    onset: int
    at: int


def step(track: Track, ladder: Ladder, at: int, height: int, clear: bool) -> Transition | None:
    """Judge one reading; changes `track`. `clear` matters only at height 0."""
    reached, previous, holding = 0, track.level, track.holding
    for level, hold in ladder.rises:
        if height < level:
            holding.pop(level, None)
            continue
        timer = holding.get(level)
        if timer is None:
            timer = holding[level] = Timer()
        timer.tick(at)
        if level > previous and timer.has_met(hold, at):
            reached = level
    if reached > previous:
        if previous == 0:
            track.onset = holding[reached].since
        return _move(track, "changed" if previous else "raised", reached, at)
    if previous == 0:
        return None
    if height >= previous:
        track.failing.reset()
        track.clearing.reset()
        return None
    track.failing.tick(at)
    if height > 0:
        track.clearing.reset()
        return _move(track, "changed", height, at) if track.failing.has_met(ladder.clear, at) else None
    if not clear:
        track.clearing.reset()
        return None
    track.clearing.tick(at)
    return _move(track, "cleared", 0, at) if track.clearing.has_met(ladder.clear, at) else None


def _move(track: Track, word: str, level: int, at: int) -> Transition:
    previous, track.level = track.level, level
    track.failing, track.clearing = Timer(), Timer()
    return Transition(word, level, previous, track.onset, at)
