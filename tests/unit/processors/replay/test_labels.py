"""Known events and alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.replay.labels import Label, LabelError, read_labels, score
from tests.unit.processors.replay.bench import story


def label(start_s: float, end_s: float, **more: str) -> Label:
    return Label(round(start_s * 1000), round(end_s * 1000), **more)


def test_detected_missed_false_alarms_and_lead_time() -> None:
    #  events    |-----|      |-----|
    #  alerts  x    x x         missed    x
    marks = score(
        [label(10, 100), label(200, 300)], [story(5, 6), story(40, 50), story(60, None), story(500, 510)], 2.0
    )
    assert (marks.detected, marks.missed, len(marks.false_alarms), marks.false_alarms_a_day) == (1, 1, 2, 1.0)
    first, second = marks.detections
    assert (first.delay_ms, first.lead_ms, len(first.alerts)) == (30_000, 60_000, 2)
    assert (second.delay_ms, second.lead_ms) == (None, None)
    assert marks.median_lead_ms == 60_000


def test_an_alert_that_began_before_an_event_does_not_detect_it() -> None:
    marks = score([label(10, 100)], [story(9.999, None)], 1)
    assert (marks.detected, len(marks.false_alarms)) == (0, 1)
    assert score([label(10, 100)], [story(10, None), story(100, None)], 1).false_alarms == ()


@pytest.mark.parametrize(
    ("limits", "matches"),
    [
        ({}, True), ({"sensor": "s"}, True), ({"sensor": "t"}, False), ({"zone": "c/d"}, True), ({"zone": "c/d/s"}, True),
        ({"zone": "c/d/s/x"}, False), ({"zone": "c/d/"}, False), ({"rule": "gas.*"}, True), ({"rule": "flood.*"}, False),
    ],
)  # fmt: skip
def test_an_event_may_be_of_a_sensor_a_zone_or_a_rule(limits: dict[str, str], matches: bool) -> None:
    assert label(0, 9, **limits).matches(story(5, None, rule="gas.low")) is matches


def test_labels_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text("from,until,zone,name\n2026-07-01T12:00:00+08:00,2026-07-01T05:00:00,c/d,flood\n")
    assert read_labels(path) == [Label(1_782_878_400_000, 1_782_882_000_000, zone="c/d", name="flood")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to\n", r"known.csv:1: columns from, to; allowed: from and until, and any of sensor, zone, rule, name"),
        ("from,until\nsoon,later\n", r"known.csv:2: from: 'soon' is not a time such as"),
        ("from,until\n2026-07-02,2026-07-01\n", r"known.csv:2: until is before from"),
        ("", r"known.csv:1: columns none"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text)
    with pytest.raises(LabelError, match=message):
        read_labels(path)
