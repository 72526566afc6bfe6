"""Alerts of two rule sets paired.

before   |---a---|        |--b--|   |--c--|
after        |---a'--|              |--c'-----|   |-d-|
         later            lost      same          gained
"""

from __future__ import annotations

from processors.replay.compare import compare, per_rule_and_zone
from schemas.levels import Level
from tests.unit.processors.replay.bench import story


def changes(before: list, after: list) -> list[tuple[float, tuple[str, ...]]]:
    return [(one.story.raised_at / 1000, one.changes) for one in compare(before, after)]


def test_alerts_that_overlap_are_one_and_the_others_gained_or_lost() -> None:
    before = [story(0, 80), story(150, 200), story(230, 280)]
    after = [story(40, 120), story(230, 320), story(400, 430)]
    assert changes(before, after) == [
        (40, ("later",)),
        (150, ("lost",)),
        (230, ("same",)),
        (400, ("gained",)),
    ]


def test_time_and_level_may_both_change() -> None:
    (one,) = compare([story(100, None, level=Level.RED)], [story(90, None, level=Level.ORANGE)])
    assert one.changes == ("earlier", "lower")
    assert one.moved_ms == -10_000


def test_an_alert_goes_with_the_first_that_it_overlaps() -> None:
    assert changes([story(0, 100)], [story(10, 20), story(50, 60)]) == [(10, ("later",)), (50, ("gained",))]
    assert changes([story(0, 10), story(20, 30)], [story(5, 100)]) == [(5, ("later",)), (20, ("lost",))]
    # one that ends as the other begins is another one
    assert changes([story(0, 10)], [story(10, 20)]) == [(0, ("lost",)), (10, ("gained",))]


def test_other_sensors_and_rules_are_never_paired() -> None:
    assert changes([story(0, None, sensor="a")], [story(0, None, sensor="b")]) == [(0, ("lost",)), (0, ("gained",))]
    assert changes([story(0, None, rule="a")], [story(0, None, rule="b")]) == [(0, ("lost",)), (0, ("gained",))]


def test_couplings_are_paired_by_zone() -> None:
    few, more = story(0, None, sensor="a"), story(0, None, sensor="a, b")
    few.last.type = more.last.type = "coupling"
    assert changes([few], [more]) == [(0, ("same",))]


def test_counts_by_rule_and_zone() -> None:
    before = [
        story(0, 10, zone="c/n/a/x"),
        story(0, 10, zone="c/s/b/y", sensor="t"),
        story(0, None, rule="q", zone="c"),
    ]
    table = per_rule_and_zone(compare(before, []), "street")
    assert table == {("q", "c"): {"lost": 1}, ("r", "c/n/a"): {"lost": 1}, ("r", "c/s/b"): {"lost": 1}}
    assert per_rule_and_zone(compare(before[:2], []), "city") == {("r", "c"): {"lost": 2}}
