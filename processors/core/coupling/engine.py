"""The coupling engine: the log of signals in, signals of couplings out.

What comes out is a function of the log: of the signals in their order, of their log times (`progress`), of the registry
versions that they name, and of the places at which couplings change. Patterns are judged on event times, so that
`all`, `any`, `n_of` and `sequence` give the same whichever signal came first; only what waits for nothing to come
(`not`) and the clearing wait on log time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processors.core.coupling.coupling import Coupling, CouplingSet
from processors.core.coupling.episodes import Episode, new_episode
from processors.core.coupling.events import TICK, event_signal
from processors.core.coupling.intervals import FOREVER
from processors.core.coupling.matcher import Matcher
from processors.core.coupling.telling import Cause
from schemas.records import Event, Signal
from schemas.registry import EMPTY, Snapshot

KEPT = frozenset({"threshold", "event", "coupling"})
"""Types of signals that are followed even if no coupling names them: the next version may. Data faults are too many."""
KEEP_MS = 3_600_000
"""So long after it can matter no more an ended episode is still known, so that its signals are known when doubled."""


class CouplingEngine:
    """Judges the couplings of one city."""

    def __init__(self, couplings: CouplingSet, registry: Snapshot = EMPTY) -> None:
        self.couplings = couplings
        self.registry = registry
        self.log_time = 0
        self._episodes: dict[str, Episode] = {}
        self._matchers = [self._matcher(one) for one in couplings]
        self._swept_at = 0

    def set_registry(self, registry: Snapshot) -> None:
        """Follow another version from here on; signals that are known already stay where they were."""
        self.registry = registry

    def set_couplings(
        self, couplings: CouplingSet, log_time: int, partition: int = 0, offset: int = 0
    ) -> list[Signal]:  # fmt: skip
        """Judge by other couplings from the record at this place on; its signals.

        What stays valid: a coupling of the same id that sees the same (`Coupling.sees`: pattern, lookback, relation and
        absence) keeps its open alerts, with level and onset, and its memory; level, departments and texts are the new
        ones from here on. Open alerts of a coupling that is gone, or that sees something else, are cleared. One that is
        new, or sees something else, holds from here at the earliest: it begins with the signals and events that are
        open (of data faults: those that a coupling before named), and raises what they fulfil.
        """
        found = self.progress(log_time, partition, offset)
        cause = Cause(self.log_time, self.log_time, partition, offset)
        before = {matcher.coupling.id: matcher for matcher in self._matchers}
        self.couplings, self._matchers = couplings, []
        ending = [
            matcher for name, matcher in before.items()
            if name not in couplings or couplings[name].sees != matcher.coupling.sees
        ]  # fmt: skip
        since = self.log_time
        for matcher in ending:
            since = max([since, *(one.onset_at for one in matcher.instances.values())])
            found += matcher.end(cause)
        for coupling in couplings:
            known = before.get(coupling.id)
            if known is not None and known not in ending:
                self._matchers.append(known)
                found += known.follow(coupling, cause)
            else:
                self._matchers.append(self._matcher(coupling))
                # an onset of its own, later than any of before: the same onset would be the same alert
                found += self._matchers[-1].begin(self._episodes.values(), since + 1, cause)
        return found

    def _matcher(self, coupling: Coupling) -> Matcher:
        return Matcher(coupling, self._episodes, lambda: self.registry)

    def signal(self, signal: Signal, log_time: int | None = None, partition: int = 0, offset: int = 0) -> list[Signal]:
        """Take the next signal of the log; the signals of couplings that follow from it, in their order.

        `log_time` is its time in the log in ms (by default its event time). From a signal that is known already, or
        that no coupling names, nothing follows but that time has passed.
        """
        found = self.progress(signal.at if log_time is None else log_time, partition, offset)
        cause = Cause(signal.at, self.log_time, partition, offset)
        episode = self._episode(signal)
        if episode is None:
            return found
        for matcher in self._matchers:
            if matcher.matches(episode):
                found += matcher.take(episode, cause)
        self._sweep()
        return found

    def event(self, event: Event, log_time: int | None = None, partition: int = 0, offset: int = 0) -> list[Signal]:
        """Take an event from outside; the same as its signal (`event_signal`)."""
        return self.signal(event_signal(event, partition, offset), log_time, partition, offset)

    def progress(self, log_time: int, partition: int = 0, offset: int = 0) -> list[Signal]:
        """Log time has come to `log_time`: raise and clear what was waiting for it."""
        self.log_time = max(self.log_time, log_time)
        found: list[Signal] = []
        for matcher in self._matchers:
            while matcher.next_due <= self.log_time:
                due = matcher.next_due
                found += matcher.progress(Cause(due, self.log_time, partition, offset))
        return found

    def next_due(self) -> int | None:
        """The log time that something waits for; None if nothing does."""
        due = min((matcher.next_due for matcher in self._matchers), default=FOREVER)
        return due if due < FOREVER else None

    def _episode(self, signal: Signal) -> Episode | None:
        if signal.type == TICK:
            return None
        episode = self._episodes.get(signal.alert_id)
        if episode is not None:
            return episode if episode.take(signal) else None
        if signal.transition == "cleared" or signal.transition == "joined":
            return None  # of what was never seen open, or ended long ago
        episode = new_episode(signal, self.registry)
        episode.take(signal)
        if signal.type not in KEPT and not any(matcher.matches(episode) for matcher in self._matchers):
            return None
        if episode.ends_at + self._keeps_ms < self.log_time:
            return None
        self._episodes[episode.id] = episode
        return episode

    @property
    def _keeps_ms(self) -> int:
        return KEEP_MS + max((matcher.keeps_ms for matcher in self._matchers), default=0)

    def _sweep(self) -> None:
        """Now and then, forget what ended long ago."""
        if self.log_time < self._swept_at + KEEP_MS // 4:
            return
        self._swept_at = self.log_time
        for episode in list(self._episodes.values()):
            if episode.ends_at + self._keeps_ms < self.log_time and not any(m.in_use(episode) for m in self._matchers):
                del self._episodes[episode.id]
                for matcher in self._matchers:
                    matcher.forget(episode)

    def __len__(self) -> int:
        """Number of episodes that are known."""
        return len(self._episodes)

    def export(self) -> dict[str, Any]:
        """The whole state as plain values; with the log behind it, a new engine goes on as this one would."""
        return {
            "log_time": self.log_time,
            "swept_at": self._swept_at,
            "episodes": [episode.as_dict() for episode in self._episodes.values()],
            "couplings": {matcher.coupling.id: matcher.export() for matcher in self._matchers},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put exported state into a new engine. State of couplings that it does not have is left out."""
        self.log_time = int(state["log_time"])
        self._swept_at = int(state["swept_at"])
        for data in state["episodes"]:
            episode = Episode.from_dict(data)
            self._episodes[episode.id] = episode
            for matcher in self._matchers:
                if matcher.matches(episode):
                    matcher.place(episode)
        for matcher in self._matchers:
            if matcher.coupling.id in state["couplings"]:
                matcher.restore(state["couplings"][matcher.coupling.id])
