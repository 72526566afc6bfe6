"""Windows by hand. The kind's period is 10 s, so that a window of 60 s has six buckets of 10 s.

bucket     0     1     2     3     4     5     6     7
time    |0----|10---|20---|30---|40---|50---|60---|70---
"""

from __future__ import annotations

import math

import pytest

from processors.core.windows.buckets import bucket_count
from tests.unit.processors.core.support import values

NAN = math.nan


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        #  time            0    10   25   63        61 (out of order)  69   130
        #  a               1    2    6    3         9                  0    5
        #  window of 60 s  [0            ]  [10 to 63][10 to 63]   [10 to 69] [80 to 130]
        ("mean(a, 60s)", [1, 1.5, 3, 11 / 3, 5, 4, 5]),
        ("sum(a, 60s)", [1, 3, 9, 11, 20, 20, 5]),
        ("count(a, 60s)", [1, 2, 3, 3, 4, 5, 1]),
        ("min(a, 60s)", [1, 1, 1, 2, 2, 0, 5]),
        ("max(a, 60s)", [1, 2, 6, 6, 9, 9, 5]),
        ("range(a, 60s)", [0, 1, 5, 4, 7, 9, 0]),
        ("last(a, 60s)", [1, 2, 6, 3, 3, 0, 5]),
        # bucket means: 1 | 1 2 | 1 2 6 | 2 6 3 | 2 6 (3+9)/2 | 2 6 (3+9+0)/3 | 5
        ("median(a, 60s)", [1, 1.5, 2, 3, 6, 4, 5]),
        # of two and more: the root of the squared distances to the mean over n - 1
        ("std(a, 60s)", [NAN, 0.5**0.5, 7**0.5, (13 / 3) ** 0.5, 10**0.5, 12.5**0.5, NAN]),
        # of the same means as the median: n = 1, 2, 3, 3, 3, 3, 1; place 0.75 * (n - 1) among them
        ("quantile(a, 60s, 0.75)", [1, 1.75, 4, 4.5, 6, 5, 5]),
        ("quantile(a, 60s, 0)", [1, 1, 1, 2, 2, 2, 5]),
        ("quantile(a, 60s, 1)", [1, 2, 6, 6, 6, 6, 5]),
        # the oldest may be one bucket before the window: at 63 that is 1 (of 0 s), at 130 nothing older is left
        ("change(a, 60s)", [NAN, 1, 5, 2, 2, -1, NAN]),
        ("rate(a, 60s)", [NAN, 1 / 10, 5 / 25, 2 / 63, 2 / 63, -1 / 69, NAN]),
    ],
)
def test_values_by_hand(function: str, expected: list[float], cut: int) -> None:
    readings = [(0, 1), (10, 2), (25, 6), (63, 3), (61, 9), (69, 0), (130, 5)]
    assert values(function, readings, cut=cut) == pytest.approx(expected, nan_ok=True)


def test_an_old_reading_outside_the_window_changes_nothing_but_is_judged() -> None:
    assert values("mean(a, 20s)", [(0, 1), (100, 2), (70, 50), (110, 4)]) == [1, 2, 2, 3]


def test_a_reading_without_the_field_is_not_in_its_windows() -> None:
    assert values("mean(b, 60s)", [(0, NAN), (10, 4), (20, NAN), (80, NAN)]) == pytest.approx(
        [NAN, 4, 4, NAN], nan_ok=True
    )


def test_the_median_of_one_bucket_is_its_mean_and_of_readings_a_period_apart_their_median() -> None:
    assert values("median(a, 10s)", [(0, 1), (1, 2), (2, 6)]) == [1, 1.5, 3]
    assert values("median(a, 60s)", [(0, 1), (10, 100), (20, 2), (30, 3)]) == [1, 50.5, 2, 2.5]


def test_buckets_are_cut_by_each_sensors_period() -> None:
    # period 60 s: one bucket, so that only the readings of the same minute count
    assert values("sum(a, 60s)", [(0, 1), (59, 2), (60, 4)], period_s=60) == [1, 3, 4]
    assert values("sum(a, 60s)", [(0, 1), (59, 2), (60, 4)], period_s=1) == [1, 3, 6]


@pytest.mark.parametrize(
    ("length", "period", "count"),
    [
        (60_000, 10_000, 6),
        (60_000, 1000, 60),
        (60_000, 10, 60),
        (60_000, 60_000, 1),
        (60_000, 300_000, 1),
        (60_000, 7000, 8),
    ],
)
def test_bucket_count(length: int, period: int, count: int) -> None:
    assert bucket_count(length, period) == count


def test_sums_stay_exact_over_many_readings() -> None:
    readings = [(i / 10, 0.1) for i in range(5000)]
    assert values("sum(a, 60s)", readings, period_s=0.1)[-1] == 0.1 * 600
    assert values("mean(a, 60s)", readings, period_s=0.1, cut=7)[-1] == 0.1


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_line_through_the_window_and_when_it_gets_there(cut: int) -> None:
    # a rises by 1 in 10 s up to 30 s and then stands: a line needs two times, and does not reach what it moves from
    readings = [(0, 1.0), (10, 2.0), (20, 3.0), (30, 4.0), (40, 4.0), (50, 4.0)]
    expect = pytest.approx
    assert values("trend(a, 20s)", readings, cut=cut) == expect([NAN, 0.1, 0.1, 0.1, 0.0, 0.0], nan_ok=True)
    assert values("fitted(a, 20s)", readings, cut=cut) == expect([NAN, 2, 3, 4, 4, 4], nan_ok=True)
    assert values("forecast(a, 20s, until=5)", readings, cut=cut)[:4] == expect([NAN, 30, 20, 10], nan_ok=True)
    assert values("forecast(2 * a, 20s, until=10)", readings, cut=cut)[:4] == expect([NAN, 30, 20, 10], nan_ok=True)
    assert math.isnan(values("forecast(a, 20s, until=1)", readings, cut=cut)[3])
    # of five readings around a line, the best one
    scattered = [(0, 1.0), (10, 3.0), (20, 2.0), (30, 4.0), (40, 5.0)]
    assert values("60 * trend(a, 60s)", scattered, cut=cut)[-1] == expect(5.4)
    assert values("fitted(a, 60s)", scattered, cut=cut)[-1] == expect(4.8)
