"""Silent sensors: how long nothing has come from each, in log time.

Silence is judged when a record is the first at or after a multiple of 10 s of log time, before its readings, and for
that multiple: so it is a function of the log, as long as something (a tick at least) is written every now and then.

    log time      0      10      20      30      40      50 s         no_data: {blue: 20s}
    records       r   .   .   .  r'  .  t    t  .   t   .  r          r: reading of the sensor, r': of others, t: tick
    judged for                   20     30   40     50
    signal                       raised (heard at 0, silent for 20 s)  cleared

A gap of more than `LONGEST_GAP_MS` between two records, in which not even ticks were written, is nobody's silence: the
pipeline was down. It does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from processors.core.arrays import Floats, Slots
from processors.core.columns import Columns
from processors.core.levels import Transition
from processors.core.rule import Rule
from processors.core.sensors import Sensors
from schemas.levels import LEVELS

STEP_MS = 10_000
LONGEST_GAP_MS = 60_000


def boundary(before: int, log_time: int) -> int | None:
    """The newest multiple of `STEP_MS` that lies above `before` and not above `log_time`, if there is one."""
    step = log_time // STEP_MS * STEP_MS
    return step if step > before else None


class Heard:
    """Log time of the last record with a reading of each sensor (late and doubled readings count: they were sent)."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        columns.add("heard", np.int64, 0)

    def of(self, slots: Slots) -> Floats:
        times: Floats = self._columns["heard"][slots]
        return times

    def hear(self, slots: Slots, log_time: int) -> None:
        self._columns["heard"][slots] = log_time

    def pass_over(self, gap_ms: int) -> None:
        """Time in which nobody listened."""
        self._columns["heard"][: self._columns.count] += gap_ms


class SilenceMachine:
    """Levels of one `no_data` rule."""

    def __init__(self, columns: Columns, rule: Rule, heard: Heard) -> None:
        self.rule = rule
        self._columns = columns
        self._heard = heard
        self._level = f"silence/{rule.id}"
        self._onset = f"silence_onset/{rule.id}"
        columns.add(self._level, np.int8, 0)
        columns.add(self._onset, np.int64, 0)

    def open(self) -> dict[int, tuple[int, int]]:
        """Level and onset of every slot that has one."""
        slots = np.flatnonzero(self._columns[self._level][: self._columns.count])
        return {slot: self._at(slot) for slot in slots.tolist()}

    def _at(self, slot: int) -> tuple[int, int]:
        return int(self._columns[self._level][slot]), int(self._columns[self._onset][slot])

    def used(self) -> list[int]:
        """Slots that are not idle."""
        return list(self.open())

    def forget(self, slot: int) -> None:
        self._columns[self._level][slot] = 0

    def forget_nights(self) -> None:
        """It counts none."""

    def change_levels(self) -> None:
        """Levels follow new thresholds at the next multiple of 10 s."""

    def judge(self, at: int, sensors: Sensors) -> Iterator[tuple[int, Transition, float]]:
        """Silence at the boundary `at`: slot, transition, and for how many seconds nothing has come."""
        count = self._columns.count
        silent = (at - self._heard.of(np.arange(count))) / 1000.0
        height = np.zeros(count, np.int8)
        for threshold in sorted(self.rule.thresholds, key=lambda t: t.level):
            limit = threshold.constant if threshold.constant is not None else sensors.limits(threshold)[:count]
            height[silent >= limit] = threshold.level
        height[~(sensors.applies(self.rule)[:count] & sensors.live()[:count])] = 0
        for slot in np.flatnonzero(height != self._columns[self._level][:count]).tolist():
            level, onset = self._at(slot)
            new = int(height[slot])
            if level == 0:
                onset = int(self._heard.of(np.array([slot]))[0])
                self._columns[self._onset][slot] = onset
            self._columns[self._level][slot] = new
            word = "raised" if level == 0 else "changed" if new else "cleared"
            yield slot, Transition(word, new, level, onset, at), float(silent[slot])

    def heard(self, slots: Slots, log_time: int) -> Iterator[tuple[int, Transition, float]]:
        """Readings of these slots have come (before `Heard.hear`): what is open there ends."""
        for slot in slots[self._columns[self._level][slots] > 0].tolist():
            level, onset = self._at(slot)
            self.forget(slot)
            silent = (log_time - int(self._heard.of(np.array([slot]))[0])) / 1000.0
            yield slot, Transition("cleared", 0, level, onset, log_time), silent

    def evidence(self, slot: int, silent_s: float, sensors: Sensors) -> str:
        """JSON text: for how long nothing came, and the limits."""
        limits = {
            LEVELS[t.level - 1].word: t.constant if t.constant is not None else float(sensors.limits(t)[slot])
            for t in self.rule.thresholds
        }
        return json.dumps({"silent_s": silent_s, "unit": self.rule.unit, "limits_s": limits})
