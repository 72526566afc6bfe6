"""One pass over a log, judged by one standard or by several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from processors.core.alerts import AlertTexts
from processors.replay.couple import couple
from processors.replay.outcome import AlertStory, Outcome, stories
from processors.replay.play import Change, Player, Standards, changed
from schemas.kinds import Kind
from schemas.log import LogRecord
from schemas.records import Signal
from schemas.registry import Snapshot


@dataclass(slots=True)
class Judged:
    """What a log gave under one standard. `counts`: readings by what became of them."""

    outcome: Outcome
    counts: dict[str, int]
    texts: Callable[[Signal], AlertTexts] = field(repr=False)

    def stories(self) -> list[AlertStory]:
        """The alerts of its signals."""
        return stories(self.outcome.signals, self.texts)


def judge(
    kinds: Mapping[str, Kind],
    judges: Sequence[tuple[Standards, Change | None]],
    registry: Callable[[int], Snapshot],
    records: Iterable[LogRecord],
) -> list[Judged]:
    """Play the records once; each judge sees them through its own change, if it has one.

    Raises what the players raise.
    """
    players = [Player(kinds, standards, registry) for standards, _ in judges]
    outcomes = [Outcome() for _ in judges]
    timed: list[list[tuple[int, Signal]]] = [[] for _ in judges]
    last = 0
    for record in records:
        times = record.batch.observed_at
        last = max(last, record.log_time)
        for player, outcome, signals, (_, change) in zip(players, outcomes, timed, judges, strict=True):
            if len(times):
                outcome.saw(len(times), int(times.min()), int(times.max()))
            given = player.take(record if change is None else changed(record, change))
            signals += [(record.log_time, signal) for signal in given]
    for outcome, signals, (standards, _) in zip(outcomes, timed, judges, strict=True):
        outcome.signals = couple(standards.own.couplings, registry, signals, last)
    return [Judged(outcome, player.counts(), player.texts) for player, outcome in zip(players, outcomes, strict=True)]
