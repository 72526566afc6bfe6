"""What to make of each reading's time: newer than all before, out of order, a double, or older than can be told.

Each slot remembers the times of its last readings, in the order in which they were read. When one falls out of this
memory, times up to it can no longer be told from a double: such a reading is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from processors.core.arrays import FAR_PAST, Bools, Ints, Slots, group_lengths, ragged_ranges
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from schemas.kinds import Kind

FEWEST_REMEMBERED = 8
MOST_REMEMBERED = 128


def remembered_times(kind: Kind) -> int:
    """How many times a slot of this kind remembers: as a sensor gives until one is late, within bounds."""
    wanted = int(np.ceil(kind.max_delay_s / kind.period_s))
    return max(FEWEST_REMEMBERED, min(MOST_REMEMBERED, wanted))


@dataclass(slots=True)
class Refused:
    """Readings that are not judged because of their time."""

    doubled: int = 0
    too_old: int = 0


@dataclass(slots=True)
class Stragglers:
    """Readings that are not newer than their slot's newest, at most one a slot."""

    rows: Slots
    slots: Slots
    times: Ints


class Arrivals:
    """Newest and recent times of every slot."""

    def __init__(self, columns: Columns, remembered: int) -> None:
        self._columns = columns
        self._size = remembered
        columns.add("newest", np.int64, FAR_PAST)
        columns.add("recent", np.int64, FAR_PAST, remembered)
        columns.add("forgotten", np.int64, FAR_PAST)
        columns.add("written", np.int32, 0)

    def newest(self) -> Ints:
        return self._columns["newest"]

    def arrange(
        self, rows: Slots, slots: Slots, times: Ints, starts: Slots, refused: Refused
    ) -> Iterator[Stretch | Stragglers]:
        """Cut readings, grouped by slot and in log order within a group, into steps that are taken one after another.

        Each step is remembered here as soon as it is given out. Doubles and readings that are too old are left out,
        and counted in `refused`.
        """
        lengths = group_lengths(starts, len(rows))
        heads = slots[starts]
        before = self.newest()[heads]
        rising = np.empty(len(rows), np.bool_)
        np.greater(times[1:], times[:-1], out=rising[1:])
        rising[starts] = times[starts] > before
        if rising.all():
            yield self._stretch(Stretch.of(rows, slots, times, starts, before))
            return
        piece = self._pieces(times, rising, starts, lengths, before)
        for number in range(int(piece.max()) + 1):
            chosen = np.flatnonzero(piece == number)
            yield from self._piece(rows[chosen], slots[chosen], times[chosen], refused)

    def _piece(self, rows: Slots, slots: Slots, times: Ints, refused: Refused) -> Iterator[Stretch | Stragglers]:
        """One piece of each of some slots: those that go on from the newest time, and single stragglers."""
        newer = times > self.newest()[slots]
        if newer.any():
            row, slot, time = rows[newer], slots[newer], times[newer]
            starts = np.flatnonzero(np.append(True, slot[1:] != slot[:-1]))
            yield self._stretch(Stretch.of(row, slot, time, starts, self.newest()[slot[starts]]))
        if not newer.all():
            stragglers = self._stragglers(rows[~newer], slots[~newer], times[~newer], refused)
            if len(stragglers.rows):
                yield stragglers

    @staticmethod
    def _pieces(times: Ints, rising: Bools, starts: Slots, lengths: Slots, before: Ints) -> Slots:
        """Number of the piece, within its group, of each row: a run of rising newest times, or a single straggler."""
        piece = np.zeros(len(times), np.intp)
        disordered = np.unique(np.searchsorted(starts, np.flatnonzero(~rising), side="right") - 1)
        for group in disordered.tolist():
            start, newest = int(starts[group]), int(before[group])
            number, in_run = -1, False
            for row, time in enumerate(times[start : start + lengths[group]].tolist(), start):
                newer = time > newest
                if not (newer and in_run):
                    number += 1
                newest, in_run = max(newest, time), newer
                piece[row] = number
        return piece

    def _stretch(self, stretch: Stretch) -> Stretch:
        columns, size = self._columns, self._size
        columns["newest"][stretch.heads] = stretch.times[stretch.ends]
        written = columns["written"][stretch.heads]
        recent, forgotten = columns["recent"], columns["forgotten"]
        if stretch.single:
            place = written % size
            forgotten[stretch.heads] = np.maximum(forgotten[stretch.heads], recent[stretch.heads, place])
            recent[stretch.heads, place] = stretch.times
            columns["written"][stretch.heads] = written + 1
            return stretch
        lengths = stretch.ends - stretch.starts + 1
        kept = np.minimum(lengths, size)
        owner, row = ragged_ranges(stretch.ends - kept + 1, kept)
        place = (written[owner] + (row - stretch.starts[owner])) % size
        slot = stretch.heads[owner]
        lost = np.maximum.reduceat(recent[slot, place], np.cumsum(kept) - kept)
        skipped = np.where(lengths > size, stretch.times[np.maximum(stretch.ends - size, 0)], FAR_PAST)
        forgotten[stretch.heads] = np.maximum(forgotten[stretch.heads], np.maximum(lost, skipped))
        recent[slot, place] = stretch.times[row]
        columns["written"][stretch.heads] = written + lengths
        return stretch

    def _stragglers(self, rows: Slots, slots: Slots, times: Ints, refused: Refused) -> Stragglers:
        columns, size = self._columns, self._size
        old = times <= columns["forgotten"][slots]
        double: Bools = ~old & (columns["recent"][slots] == times[:, None]).any(axis=1)
        refused.too_old += int(np.count_nonzero(old))
        refused.doubled += int(np.count_nonzero(double))
        good = ~(old | double)
        rows, slots, times = rows[good], slots[good], times[good]
        place = columns["written"][slots] % size
        columns["forgotten"][slots] = np.maximum(columns["forgotten"][slots], columns["recent"][slots, place])
        columns["recent"][slots, place] = times
        columns["written"][slots] += 1
        return Stragglers(rows, slots, times)
