"""Two replays of the same readings by different rules: what became of each alert.

An alert of the one and an alert of the other are the same if rule and sensor (of couplings: zone) are, and the times at
which they hold overlap. Of several that overlap, the earliest go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from processors.replay.outcome import AlertStory
from schemas.registry import zone_at

FOREVER = 2**62
CHANGES = ("gained", "lost", "earlier", "later", "higher", "lower", "same")


@dataclass(frozen=True, slots=True)
class Difference:
    """An alert before (None: gained) and after (None: lost)."""

    before: AlertStory | None
    after: AlertStory | None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is different, of `CHANGES`; a pair may be both earlier and higher."""
        if self.before is None:
            return ("gained",)
        if self.after is None:
            return ("lost",)
        found = []
        if self.moved_ms:
            found.append("earlier" if self.moved_ms < 0 else "later")
        if self.before.level != self.after.level:
            found.append("higher" if self.after.level > self.before.level else "lower")
        return tuple(found) or ("same",)

    @property
    def moved_ms(self) -> int:
        """How much later it is raised; 0 if one of both is missing."""
        return self.after.raised_at - self.before.raised_at if self.before and self.after else 0

    @property
    def story(self) -> AlertStory:
        """The alert after or, if it is lost, before."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - one of both is there by construction
        return found


def compare(before: Iterable[AlertStory], after: Iterable[AlertStory]) -> list[Difference]:
    """Every alert of both, paired; in the order of time."""
    old, new = _by_place(before), _by_place(after)
    found = []
    for place in sorted(old.keys() | new.keys()):
        found += _pairs(old.get(place, []), new.get(place, []))
    return sorted(found, key=lambda one: (one.story.raised_at, one.story.rule_id, one.story.sensor_id))


def per_rule_and_zone(differences: Iterable[Difference], level: str) -> dict[tuple[str, str], Counter[str]]:
    """Counts of each change by rule and zone, zones cut at `level` (one of `schemas.registry.ZONE_LEVELS`)."""
    table: dict[tuple[str, str], Counter[str]] = {}
    for one in differences:
        place = one.story.rule_id, zone_at(one.story.zone, level) or one.story.zone
        table.setdefault(place, Counter()).update(one.changes)
    return dict(sorted(table.items()))


def _by_place(found: Iterable[AlertStory]) -> dict[tuple[str, str], list[AlertStory]]:
    places: dict[tuple[str, str], list[AlertStory]] = {}
    for story in found:
        places.setdefault((story.rule_id, story.place), []).append(story)
    return places


def _pairs(old: Sequence[AlertStory], new: Sequence[AlertStory]) -> list[Difference]:
    found: list[Difference] = []
    left, right = list(old), list(new)
    while left and right:
        if _end(left[0]) <= right[0].last.onset_at:
            found.append(Difference(left.pop(0), None))
        elif _end(right[0]) <= left[0].last.onset_at:
            found.append(Difference(None, right.pop(0)))
        else:
            found.append(Difference(left.pop(0), right.pop(0)))
    found += [Difference(story, None) for story in left]
    found += [Difference(None, story) for story in right]
    return found


def _end(story: AlertStory) -> int:
    return FOREVER if story.cleared_at is None else story.cleared_at
