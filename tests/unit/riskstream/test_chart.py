"""Charts in braille."""

from __future__ import annotations

import math

from riskstream.chart import chart


def test_a_rise_and_its_threshold() -> None:
    values = [float(number) for number in range(16)]
    lines = chart(values, values, {"red": 7.5}, height=4)
    assert [line.threshold for line in lines].count("red") == 1
    assert (lines[0].label, lines[-1].label) == ("15", "0")
    marked = next(line for line in lines if line.threshold)
    assert marked.label == "7.5"
    assert "╌" in marked.cells
    # the line goes from the lower left to the upper right
    assert lines[-1].cells[0] not in " ╌"
    assert lines[0].cells[-1] not in " ╌"
    assert lines[0].cells[0] == " "


def test_gaps_stay_empty() -> None:
    nan = math.nan
    (line,) = chart([1.0, 1.0, nan, nan, 1.0, 1.0], [1.0, 1.0, nan, nan, 1.0, 1.0], {}, height=1)
    assert line.cells[1] == " "
    assert " " not in line.cells[0] + line.cells[2]


def test_nothing_measured_gives_no_chart() -> None:
    assert chart([math.nan], [math.nan], {"red": 1.0}) == []


def test_a_threshold_far_away_does_not_flatten_the_series() -> None:
    lines = chart([1.0, 2.0], [1.0, 2.0], {"red": 1000.0})
    assert not any(line.threshold for line in lines)
