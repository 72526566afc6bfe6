"""One rule's levels at every sensor: idle and settled sensors at the cost of a comparison, the others step by step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from processors.core.columns import Columns
from processors.core.frame import Rows
from processors.core.levels import Track, Transition, step
from processors.core.nights import NightMemory
from processors.core.rule import Judgement, Rule, is_clear

# a sensor is settled when its height is its level: the same height again changes nothing, whenever it comes
_UNSETTLED = 255


def not_idle(rule_id: str) -> str:
    """The column that is 0 where the rule is idle: no alert is open and no level is being timed."""
    return f"settled/{rule_id}"


class Machine:
    """Tracks of one rule. An idle sensor (no level, no height) has none."""

    def __init__(self, columns: Columns, rule: Rule) -> None:
        self.rule = rule
        self._columns = columns
        self._settled = not_idle(rule.id)
        columns.add(self._settled, np.uint8, 0)
        self.tracks: dict[int, Track] = {}
        self.nights = NightMemory(columns, rule.id, rule.nights) if rule.nights else None

    def forget_nights(self) -> None:
        """Nights so far do not count."""
        if self.nights:
            self.nights.reset()

    def open(self) -> dict[int, tuple[int, int]]:
        """Level and onset of every slot that has one."""
        return {slot: (track.level, track.onset) for slot, track in self.tracks.items() if track.level}

    def used(self) -> list[int]:
        """Slots that are not idle."""
        return list(self.tracks)

    def forget(self, slot: int) -> None:
        """Make the slot idle."""
        self.tracks.pop(slot, None)
        self._columns[self._settled][slot] = 0

    def change_levels(self) -> None:
        """The conditions of the levels have changed: levels stay until the next reading.

        What was timed, and what nights were counted, is void.
        """
        self.forget_nights()
        settled = self._columns[self._settled]
        for slot, track in list(self.tracks.items()):
            if track.level:
                self.tracks[slot] = Track(track.level, track.onset)
                settled[slot] = _UNSETTLED
            else:
                self.forget(slot)

    def run(self, frame: Rows, judgement: Judgement) -> Iterator[tuple[int, Transition]]:
        """Step through the rows; the transitions, each with its row in the frame."""
        settled = self._columns[self._settled]
        moving = judgement.known & (judgement.height != settled[frame.slots])
        if not moving.any():
            return
        involved = np.zeros(self._columns.count, np.bool_)
        involved[frame.slots[moving]] = True
        rows = np.flatnonzero(involved[frame.slots] & judgement.known)
        part = frame.take(rows)
        value = judgement.value if judgement.value.ndim == 0 else judgement.value[rows]  # type: ignore[index]
        clear = is_clear(self.rule, part, value, part.limits(self.rule), len(part))
        if judgement.outside is not None:
            clear = clear | judgement.outside[rows]
        ladder, tracks = self.rule.ladder, self.tracks
        columns = zip(
            rows.tolist(),
            part.slots.tolist(),
            part.at.tolist(),
            judgement.height[rows].tolist(),
            clear.tolist(),
            strict=True,
        )
        last_slot, track, quiet = -1, Track(), -1
        for row, slot, at, height, is_clear_here in columns:
            if slot != last_slot:
                if last_slot >= 0:
                    self._leave(settled, last_slot, track, quiet)
                last_slot, quiet = slot, int(settled[slot])
                track = tracks.get(slot) or Track()
            if height == quiet:
                continue
            transition = step(track, ladder, at, height, is_clear_here)
            quiet = height if track.is_settled(height) else _UNSETTLED
            if transition is not None:
                yield row, transition
        self._leave(settled, last_slot, track, quiet)

    def _leave(self, settled: np.ndarray[tuple[int], np.dtype[np.uint8]], slot: int, track: Track, quiet: int) -> None:
        settled[slot] = quiet
        if quiet == 0:
            self.tracks.pop(slot, None)
        else:
            self.tracks[slot] = track
