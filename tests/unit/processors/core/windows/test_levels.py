"""The usual level: the drawing of its module, gaps, readings out of order, a zero that is registered or taken away."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.core.engine import Engine
from processors.core.expression.check import check
from processors.core.expression.errors import ExpressionError
from processors.core.expression.parse import parse
from tests.unit.processors.core.support import KIND, T0, batch, registry, rule_set

NAN = math.nan
HOUR = 3_600_000
MINUTE = 60_000
RULES = """
- {id: t.moved, value: "abs(a - or_else(attr.zero, usual_level(a, 4h)))", above: {blue: 5}, clear: {below: 3}}
- {id: t.told, value: "usual_level(a, 4h)", above: {blue: 100}}
"""


class Story:
    """A sensor that reads when it is told to."""

    def __init__(self) -> None:
        self.engine = Engine(KIND, rule_set(RULES), registry({"s": {}}), 0)
        self.seen: list[float] = []
        self.said: list[tuple[int, str]] = []

        def watch(frame, judgement):  # type: ignore[no-untyped-def]
            self.seen.extend(np.broadcast_to(judgement.value, (len(frame),)).tolist())
            return iter(())

        self.engine._machines[1].run = watch  # type: ignore[method-assign]

    def read(self, *readings: tuple[int, float]) -> list[float]:
        """The level at each of these readings (ms, value) of one record."""
        self.seen.clear()
        signals = self.engine.process(batch([("s", at, value, 0) for at, value in readings]), 0, 0)
        self.said += [((s.at - T0) // HOUR, s.transition) for s in signals]
        return [round(value, 6) for value in self.seen]

    def zero(self, value: float | None, version: int) -> None:
        self.engine.set_registry(registry({"s": {} if value is None else {"zero": value}}, version), 0, 0)


def twice_an_hour(means: list[float]) -> list[tuple[int, float]]:
    return [(hour * HOUR + minute * MINUTE, mean) for hour, mean in enumerate(means) for minute in (0, 30)]


def same(found: list[float], expected: list[float]) -> bool:
    return np.array_equal(np.array(found), np.array(expected), equal_nan=True)


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_the_drawing(cut: int) -> None:
    story, found = Story(), []
    log = twice_an_hour([2.0, 2.2, 2.4, 2.0, 2.2, 9.0, 9.0, 9.0, 2.0, 2.1, 2.2])
    for start in range(0, len(log), cut):
        found += story.read(*log[start : start + cut])
    assert same(found[::2], [NAN, NAN, NAN, 2.1, 2.2, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1])
    assert same(found[::2], found[1::2])
    assert story.said == [(5, "raised"), (8, "cleared")]


def test_the_new_level_becomes_the_usual_one_only_when_the_alert_has_ended() -> None:
    story = Story()
    story.read(*twice_an_hour([2.0] * 6 + [9.0] * 50))
    assert set(story.seen[12:]) == {2.0}
    assert story.said == [(6, "raised")]
    story.zero(9.0, 2)
    found = story.read(*[(at + 56 * HOUR, value) for at, value in twice_an_hour([9.0] * 6)])
    assert story.said == [(6, "raised"), (56, "cleared")]
    assert same(found[::2], [2.0, 2.0, 2.0, 5.5, 9.0, 9.0])  # in hour 59 of 2 2 9 9


def test_what_is_not_there_yet_does_not_stand_still() -> None:
    story = Story()
    story.zero(0.0, 2)
    story.read(*twice_an_hour([9.0] * 3))
    assert story.said == [(0, "raised")]
    story.zero(None, 3)
    assert story.read(*[(at + 3 * HOUR, value) for at, value in twice_an_hour([9.0])]) == [9.0, 9.0]
    assert story.said == [(0, "raised"), (3, "cleared")]


def test_hours_without_readings_do_not_count_and_a_gap_longer_than_the_window_ends_it() -> None:
    story = Story()
    story.read(*twice_an_hour([2.0, 2.0, 2.0]))
    assert story.read((6 * HOUR, 2.0)) == [2.0]
    assert same(story.read((11 * HOUR, 2.0)), [NAN])


def test_a_reading_out_of_order_counts_in_the_present_hour_alone() -> None:
    story = Story()
    story.read((30 * MINUTE, 2.0), (10 * MINUTE, 4.0), (HOUR + MINUTE, 2.0), (50 * MINUTE, 8.0), (2 * HOUR, 2.0))
    assert story.read((3 * HOUR, 2.0)) == [2.5]  # of 3 and 2


@pytest.mark.parametrize("length", ["90m", "1h", "8d", "30s"])
def test_lengths_that_are_refused(length: str) -> None:
    text = f"usual_level(a, {length})"
    with pytest.raises(ExpressionError, match="whole hours, 2h to 7d"):
        check(parse(text), text, KIND)
