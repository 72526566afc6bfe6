"""Windows that stand side by side, by hand.

each(60s)      0:00          1:00          2:00          3:00          4:00
readings         | 0   10  25  |  70   69    |  122        |             | 250
values of a      | 1   2   6   |  3    9     |  5          |             |  4      69 s comes out of order
window before    |    none     |  1, 2, 6    |  9, 3       |             |  empty
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from processors.core.engine import Engine
from tests.unit.processors.core.support import KIND, T0, batch, registry, rule_set, values

NAN = math.nan
DAY = 86_400


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        #  time              0    10   25   70       69       122      250
        #  window before     none           1 2 6             3 9      empty
        ("mean(a, {})", [NAN, NAN, NAN, 3, 3, 6, NAN]),
        ("sum(a, {})", [NAN, NAN, NAN, 9, 9, 12, NAN]),
        ("count(a, {})", [NAN, NAN, NAN, 3, 3, 2, 0]),
        ("min(a, {})", [NAN, NAN, NAN, 1, 1, 3, NAN]),
        ("max(a, {})", [NAN, NAN, NAN, 6, 6, 9, NAN]),
        ("range(a, {})", [NAN, NAN, NAN, 5, 5, 6, NAN]),
        ("last(a, {})", [NAN, NAN, NAN, 6, 6, 3, NAN]),  # of 70 s, though that of 69 s came later
        ("std(a, {})", [NAN, NAN, NAN, 7**0.5, 7**0.5, 18**0.5, NAN]),
        # buckets of 10 s: 0-10 | 10-20 | 20-30 …; the second window has 9 and 3
        ("median(a, {})", [NAN, NAN, NAN, 2, 2, 6, NAN]),
        ("quantile(a, {}, 0.75)", [NAN, NAN, NAN, 4, 4, 7.5, NAN]),
        ("change(a, {})", [NAN, NAN, NAN, 5, 5, -6, NAN]),
        ("rate(a, {})", [NAN, NAN, NAN, 5 / 25, 5 / 25, -6, NAN]),
    ],
)
def test_values_by_hand(function: str, expected: list[float], cut: int) -> None:
    readings = [(0, 1), (10, 2), (25, 6), (70, 3), (69, 9), (122, 5), (250, 4)]
    assert values(function.format("each(60s)"), readings, cut=cut) == pytest.approx(expected, nan_ok=True)


def test_what_comes_after_a_window_is_closed_has_no_part_in_it() -> None:
    readings = [(0, 1), (50, 2), (61, 5), (55, 100), (62, 6), (121, 7)]
    assert values("max(a, each(60s))", readings) == pytest.approx([NAN, NAN, 2, 2, 2, 6], nan_ok=True)


def test_a_reading_without_the_field_closes_a_window_and_is_not_in_one() -> None:
    readings = [(0, NAN), (70, NAN), (80, 4), (130, NAN)]
    assert values("count(b, each(60s))", readings) == pytest.approx([NAN, 0, 0, 1], nan_ok=True)
    assert values("last(b, each(60s))", readings) == pytest.approx([NAN, NAN, NAN, 4], nan_ok=True)
    assert values("median(b, each(60s))", readings) == pytest.approx([NAN, NAN, NAN, 4], nan_ok=True)


def test_the_buckets_of_a_quantile_are_cut_by_the_sensors_period() -> None:
    readings = [(0, 1), (1, 2), (2, 9), (60, 0)]
    assert values("median(a, each(60s))", readings, period_s=1)[-1] == 2
    assert values("median(a, each(60s))", readings, period_s=10)[-1] == 4  # one bucket: its mean


def at(function: str, hours: Sequence[float], timezone: str) -> list[float]:
    """The number of readings in the window before, for readings at these hours after 2026-01-01 00:00 UTC."""
    return values(function, [(hour * 3600, 1.0) for hour in hours], timezone=timezone)


def test_days_begin_at_local_midnight() -> None:
    # midnight in Shanghai is at 16:00 UTC
    assert at("count(a, each(1d))", [10, 15.9, 16, 39.9, 40], "Asia/Shanghai")[2:] == [2, 2, 2]
    # Berlin, 29 March 2026 (day 87): clocks go forward, the day has 23 hours, from 23:00 UTC to 22:00 UTC
    start = 87 * 24 - 1
    hours = [start - 1, start, start + 22.9, start + 23]
    assert at("count(a, each(1d))", hours, "Europe/Berlin") == pytest.approx([NAN, 1, 1, 2], nan_ok=True)


def test_weeks_begin_on_monday() -> None:
    # 2026-01-01 was a Thursday: Monday is four days later
    assert at("count(a, each(7d))", [0, 95.9, 96, 263.9, 264], "UTC")[2:] == [2, 2, 2]


def test_parts_of_a_day_are_those_of_standard_time() -> None:
    # shifts of eight hours in Shanghai: 0 to 8, 8 to 16, 16 to 24 o'clock, which is 16, 0 and 8 UTC
    assert at("count(a, each(8h))", [0, 7.9, 8, 15.9, 16], "Asia/Shanghai")[2:] == [2, 2, 2]
    # in Berlin's summer (July: day 181), an hour later by the clock: 07:00, 15:00 and 23:00 UTC
    assert at("count(a, each(8h))", [181 * 24 + 7, 181 * 24 + 14.9, 181 * 24 + 15], "Europe/Berlin")[2:] == [2]


def test_its_state_does_not_grow_with_its_length() -> None:
    def size(length: str) -> int:
        functions = ["mean", "max", "min", "std", "change", "last", "count", "range", "sum", "rate"]
        text = " + ".join(f"{name}(a, each({length}))" for name in functions)
        engine = Engine(KIND, rule_set(f"- {{id: t.v, value: '{text}', above: {{blue: 0}}}}"), registry({"s": {}}), 0)
        engine.process(batch([("s", second * 1000, 1, 1) for second in range(100)]), 0, T0)
        return sum(column.nbytes for column in engine.export().columns.values())

    assert size("1s") == size("30d") < 600
