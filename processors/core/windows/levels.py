"""Where a field usually is: the median of its hourly means before now, which stands still while a rule is at work.

    usual_level(x, 4h)    hour     0     1     2     3     4     5     6     7     8     9    10
                          mean    2.0   2.2   2.4   2.0   2.2   9.0   9.0   9.0   2.0   2.1   2.2
                          alert                                 [ open . . . . ]
                          value    -     -     -    2.1   2.2   2.1   2.1   2.1   2.1   2.1   2.1

An hour's mean waits for one more hour before it counts, so that the value in an hour is of the hours before the last
one, and a shift that grows in less than an hour is not in it. Hours that end while a rule that names the function is
not idle at the sensor (an alert is open, or `for` is being timed) do not count, nor does the one that waits then; the
value stays what it was. Hours without readings do not count either. After a gap longer than the window all starts anew.
The ring holds float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.stretch import Stretch
from processors.core.windows.baselines import HourClock
from processors.core.windows.buckets import Strokes
from processors.core.windows.rounds import rounds


class UsualLevel:
    """Medians of one field's hourly means over `hours` hours that count, in steps of the field's resolution.

    NaN until half of the hours are there. `busy` names the columns that are not 0 where a rule is not idle.
    """

    def __init__(self, columns: Columns, clock: HourClock, field: str, hours: int, busy: Sequence[str]) -> None:
        self._columns = columns
        self._clock = clock
        self._hours = hours
        self._busy = busy
        self.ring, self.written, self.waiting, self.sums, self.counts, self.value = (
            f"level_{part}/{field}/{hours}" for part in ("ring", "written", "waiting", "sum", "count", "value")
        )
        columns.add(self.ring, np.float32, np.nan, hours)
        columns.add(self.written, np.int32, 0)
        columns.add(self.waiting, np.float32, np.nan)
        columns.add(self.sums, np.int64, 0)
        columns.add(self.counts, np.int32, 0)
        columns.add(self.value, np.float64, np.nan)

    def advance(self, stretch: Stretch, strokes: Strokes, steps: Ints, present: Bools) -> Floats:
        """Take the readings in; the level at each of them. No group may reach into a second hour of its own: whether
        a rule is idle is known up to the stretch (`hourly`).
        """
        numbers, taken = present.astype(np.int32), np.where(present, steps, 0)
        if not stretch.single:
            numbers = np.add.reduceat(numbers, strokes.first)
            taken = np.add.reduceat(taken, strokes.first)
        sums, counts, value = (self._columns[name] for name in (self.sums, self.counts, self.value))
        result = np.empty(len(strokes.first))
        for turn in rounds(stretch, strokes):
            self._close(turn.slots, turn.previous, turn.buckets)
            sums[turn.slots] += taken[turn.strokes]
            counts[turn.slots] += numbers[turn.strokes]
            result[turn.strokes] = value[turn.slots]
        return result if stretch.single else result[strokes.stroke]

    def _close(self, slots: Slots, previous: Ints, now: Ints) -> None:
        """Where a new hour begins, the last one waits, the one that waited counts, and the median is taken anew."""
        turned = np.flatnonzero(now != previous)
        if not len(turned):
            return
        slots, gap = slots[turned], (now - previous)[turned]
        ring, written, waiting = (self._columns[name] for name in (self.ring, self.written, self.waiting))
        sums, counts, value = (self._columns[name] for name in (self.sums, self.counts, self.value))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(counts[slots] > 0, sums[slots] / counts[slots], np.nan)
        sums[slots], counts[slots] = 0, 0
        frozen = self._frozen(slots)
        waiting[slots[frozen]] = np.nan
        slots, gap, mean = slots[~frozen], gap[~frozen], mean[~frozen]
        counting = slots[~np.isnan(waiting[slots])]
        ring[counting, written[counting] % self._hours] = waiting[counting]
        written[counting] += 1
        waiting[slots] = mean
        anew = slots[gap > self._hours]
        ring[anew], written[anew], waiting[anew] = np.nan, 0, np.nan
        value[slots] = self._median(ring[slots], np.minimum(written[slots], self._hours))

    def _frozen(self, slots: Slots) -> Bools:
        """Where a rule is not idle. What is not there yet does not stand still: it could never come."""
        busy: Bools = np.zeros(len(slots), np.bool_)
        for name in self._busy:
            busy |= self._columns[name][slots] != 0
        frozen: Bools = busy & ~np.isnan(self._columns[self.value][slots])
        return frozen

    def _median(self, ring: np.ndarray[tuple[int, int], np.dtype[np.float32]], there: Ints) -> Floats:
        known = np.sort(ring.astype(np.float64), axis=1)
        rows = np.arange(len(known))
        low, high = known[rows, np.maximum(there - 1, 0) // 2], known[rows, np.minimum(there // 2, self._hours - 1)]
        median = np.where(there % 2 == 1, low, (low + high) / 2)
        return np.where(2 * there >= self._hours, median, np.nan)

    def insert(self, slots: Slots, newest: Ints, times: Ints, steps: Ints, present: Bools) -> None:
        """Take in one reading a slot that is not newer than its newest; it counts in the present hour alone."""
        count = self._clock.counts()[slots]
        inside = present & (self._clock.buckets(times, count) == self._clock.buckets(newest, count))
        slots, steps = slots[inside], steps[inside]
        self._columns[self.sums][slots] += steps
        self._columns[self.counts][slots] += 1

    def at(self, slots: Slots) -> Floats:
        value: Floats = self._columns[self.value][slots]
        return value


def hourly(stretch: Stretch, clock: HourClock) -> Iterator[Stretch]:
    """The stretch cut so that no group has readings of two hours."""
    strokes = clock.strokes(stretch)
    most = int(strokes.number.max())
    if most == 0:
        yield stretch
        return
    number = strokes.number[strokes.stroke]
    for n in range(most + 1):
        rows = np.flatnonzero(number == n)
        group = stretch.group[rows]
        starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        first = rows[starts]
        before = stretch.before if n == 0 else stretch.times[first - 1]
        yield Stretch.of(stretch.rows[rows], stretch.slots[rows], stretch.times[rows], starts, before)
