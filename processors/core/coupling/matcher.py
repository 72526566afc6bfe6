"""One coupling at work: groups of related episodes, the places at which it holds, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from processors.core.coupling.coupling import Coupling
from processors.core.coupling.episodes import Episode
from processors.core.coupling.instance import Instance
from processors.core.coupling.intervals import FOREVER, union
from processors.core.coupling.pattern import end_of, first_without
from processors.core.coupling.pool import Pool, in_order
from processors.core.coupling.telling import Cause, alert_id_of, tell
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Snapshot

AHEAD_MS = 60_000
"""Devices' clocks may be so far ahead of the log: what begins that soon is taken as now."""


class Matcher:
    """Follows the episodes that match one coupling.

    An episode is a member of one instance at most, the oldest that it is related to; events take part in all.
    """

    def __init__(self, coupling: Coupling, episodes: Mapping[str, Episode], registry: Callable[[], Snapshot]) -> None:
        self.coupling = coupling
        self.instances: dict[int, Instance] = {}
        self._episodes = episodes
        self._registry = registry
        self._pool = Pool(coupling.same, coupling.metres, registry)
        self._absent = Pool(coupling.same, coupling.metres, registry)
        self._owner: dict[str, int] = {}
        self._spent: dict[str, int] = {}
        self._next = 0

    @property
    def next_due(self) -> int:
        return min((instance.due_at for instance in self.instances.values()), default=FOREVER)

    @property
    def keeps_ms(self) -> int:
        """How long an episode may matter after it has ended."""
        return max((leaf.holds_ms for leaf in self.coupling.leaves), default=0) + self.coupling.absent_ms

    def matches(self, episode: Episode) -> bool:
        return bool(self.coupling.matched(episode)) or self._is_absent(episode)

    def take(self, episode: Episode, cause: Cause) -> list[Signal]:
        """An episode is new or has changed."""
        if self._is_absent(episode):
            self._absent.add(episode)
        if not self.coupling.matched(episode):
            return []
        self._pool.add(episode)
        if episode.type == "event":
            found = []
            for one in self._pool.under(episode):
                found += self._follow(one, cause)
            if not any(leaf.branch != other.branch for leaf in self.coupling.leaves for other in self.coupling.leaves):
                found += self._follow(episode, cause)  # the event alone may be the pattern
            return found
        return self._follow(episode, cause)

    def progress(self, cause: Cause) -> list[Signal]:
        """Log time has come to `cause.log_time`."""
        found: list[Signal] = []
        for instance in [one for one in self.instances.values() if one.due_at <= cause.log_time]:
            found += self._settle(instance, cause)
        return found

    def begin(self, episodes: Iterable[Episode], since: int, cause: Cause) -> list[Signal]:
        """The coupling is new to a log that goes on: what is known counts from `since` on, what is open is judged."""
        known = in_order(episode for episode in episodes if self.matches(episode))
        for episode in known:
            self.place(episode)
            if self.coupling.matched(episode):
                self._spent[episode.id] = since
        return [signal for one in known if one.ends_at > since for signal in self.take(one, cause)]

    def follow(self, coupling: Coupling, cause: Cause) -> list[Signal]:
        """Judge by another version of the coupling, one that holds at the same places and times."""
        self.coupling = coupling
        return [signal for one in list(self.instances.values()) if one.is_raised for signal in self._settle(one, cause)]

    def end(self, cause: Cause) -> list[Signal]:
        """The coupling is gone, or sees something else now: its open alerts are cleared."""
        found = []
        for instance in self.instances.values():
            if instance.is_raised:
                whole = self._with_events([self._episodes[member] for member in instance.members])
                at, why = max(cause.at, instance.at), "the coupling is gone, or sees something else now"
                found += self._say(instance, whole, "cleared", Level.NONE, at, cause, why)
        return found

    def forget(self, episode: Episode) -> None:
        """The episode ended long ago."""
        self._pool.remove(episode.id)
        self._absent.remove(episode.id)
        self._spent.pop(episode.id, None)

    def in_use(self, episode: Episode) -> bool:
        return episode.id in self._owner

    def place(self, episode: Episode) -> None:
        """Put an episode back into the pools, without any consequence (after a restart)."""
        if self._is_absent(episode):
            self._absent.add(episode)
        if self.coupling.matched(episode):
            self._pool.add(episode)

    def export(self) -> dict[str, Any]:
        return {
            "instances": [instance.as_dict() for instance in self.instances.values()],
            "spent": dict(self._spent),
            "next": self._next,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._next = int(state["next"])
        self._spent = dict(state["spent"])
        for data in state["instances"]:
            instance = Instance.from_dict(data)
            self.instances[instance.number] = instance
            for member in instance.members:
                self._owner[member] = instance.number

    def _is_absent(self, episode: Episode) -> bool:
        return self.coupling.absent is not None and self.coupling.absent.matches(episode)

    def _follow(self, episode: Episode, cause: Cause) -> list[Signal]:
        number = self._owner.get(episode.id)
        if number is not None:
            return self._settle(self.instances[number], cause)
        group, instances = self._surroundings(episode)
        if instances:
            instance = self.instances[min(instances)]
            self._join(instance, group)
            return self._settle(instance, cause)
        if episode.type != "event" and episode.cleared_at is not None:
            return []  # an end begins nothing
        return self._begin(group, cause)

    def _surroundings(self, seed: Episode) -> tuple[list[Episode], set[int]]:
        """The episodes that hang together with this one and have no instance, and the instances that they touch."""
        group, queue, instances = {seed.id: seed}, [seed], set()
        while queue:
            one = queue.pop()
            for other in self._pool.near(one) if one.type != "event" else ():
                if other.id in group:
                    continue
                if not self.coupling.belong(one, other, same_place=self._pool.same_place(one, other)):
                    continue
                owner = self._owner.get(other.id)
                if owner is not None:
                    instances.add(owner)
                    continue
                group[other.id] = other
                queue.append(other)
        return in_order(group.values()), instances

    def _join(self, instance: Instance, group: list[Episode]) -> None:
        for episode in group:
            self._owner[episode.id] = instance.number
            instance.members.append(episode.id)

    def _begin(self, group: list[Episode], cause: Cause) -> list[Signal]:
        run = group[0].run
        instance = Instance(self._next, run, [], 0)
        if self._onset(group) is None:
            return []
        self._next += 1
        self.instances[instance.number] = instance
        self._join(instance, group)
        return self._settle(instance, cause)

    def _onset(self, group: list[Episode]) -> tuple[int, int] | None:
        """Onset and end of what this group raises; None if the pattern does not hold."""
        since = max((self._spent[one.id] for one in group if one.id in self._spent), default=-FOREVER)
        whole = self._with_events(group)
        return first_without(self.coupling.holds(whole), self._vetoes(group), self.coupling.absent_ms, since)

    def _settle(self, instance: Instance, cause: Cause) -> list[Signal]:
        """Bring an instance to what its members say now."""
        group = [self._episodes[member] for member in instance.members]
        return self._look_after(instance, group, cause) if instance.is_raised else self._try(instance, group, cause)

    def _try(self, instance: Instance, group: list[Episode], cause: Cause) -> list[Signal]:
        onset = self._onset(group)
        if onset is None:
            self._end(instance, None)
            return []
        instance.onset_at = onset[0]
        raised_at = onset[0] + self.coupling.absent_ms
        # absence is only known when what came late has had its time too
        due = raised_at + self.coupling.wait_ms if self.coupling.absent is not None else raised_at - AHEAD_MS
        if due > cause.log_time:
            instance.due_at = due
            return []
        whole = self._with_events(group)
        taken = {one.alert_id for one in self.instances.values()}
        instance.alert_id = alert_id_of(self.coupling, whole, instance.onset_at, instance.run, taken)
        return self._say(instance, whole, "raised", self.coupling.level(whole), raised_at, cause) + self._look_after(
            instance, group, cause
        )

    def _look_after(self, instance: Instance, group: list[Episode], cause: Cause) -> list[Signal]:
        whole = self._with_events(group)
        end = end_of(self.coupling.holds(whole), instance.onset_at)
        instance.due_at = end + self.coupling.wait_ms if end < FOREVER else FOREVER
        if instance.due_at <= cause.log_time:
            found = self._say(instance, whole, "cleared", Level.NONE, max(end, instance.at), cause)
            self._end(instance, end)
            return found
        level = self.coupling.level(whole)
        at = max(cause.at, instance.at)
        if level != instance.level:
            return self._say(instance, whole, "changed", level, at, cause)
        if any(one.id not in instance.told for one in whole):
            return self._say(instance, whole, "joined", level, at, cause)
        return []

    def _say(
        self, instance: Instance, whole: list[Episode], transition: str, level: Level, at: int, cause: Cause,
        ended: str = "",
    ) -> list[Signal]:  # fmt: skip
        instance.sequence += 1
        signal = tell(self.coupling, instance, whole, transition, level, at, cause, self._registry(), ended)
        instance.level, instance.at = level, at
        instance.told = [one.id for one in whole]
        return [signal]

    def _end(self, instance: Instance, at: int | None) -> None:
        del self.instances[instance.number]
        for member in instance.members:
            del self._owner[member]
            if at is not None:
                self._spent[member] = at

    def _with_events(self, group: list[Episode]) -> list[Episode]:
        whole = {one.id: one for one in group}
        for one in group:
            if one.type != "event":
                whole |= {event.id: event for event in self._pool.events_at(one)}
        return in_order(whole.values())

    def _vetoes(self, group: list[Episode]) -> list[tuple[int, int]]:
        absent = self.coupling.absent
        if absent is None:
            return []
        there = {other.id: other for one in group for other in (*self._absent.near(one), *self._absent.events_at(one))}
        return union(interval for other in there.values() for interval in absent.open(other))
