"""How levels move. Digits are heights, one reading a second; letters the level after it (- none, B, Y, O, R)."""

from __future__ import annotations

import pytest

from processors.core.durations import Hold
from processors.core.levels import Ladder, Track, step

NOW, TWO, THREE_SECONDS = Hold(), Hold(readings=2), Hold(ms=3000)


def ladder(rise: Hold, clear: Hold, **by_level: Hold) -> Ladder:
    return Ladder(tuple((level, by_level.get("BYOR"[level - 1], rise)) for level in (1, 2, 3, 4)), clear)


@pytest.mark.parametrize(
    ("moves", "heights", "levels"),
    [
        (ladder(NOW, NOW), "0124321 0", "-BYROYB -"),
        (ladder(NOW, NOW), "0404", "-R-R"),
        # the drawing of the module
        (ladder(TWO, TWO), "02224411100", "--YYYRRBBB-"),
        # held for three seconds: at the reading three seconds after the first
        (ladder(THREE_SECONDS, NOW), "0111100", "----B--"),
        (ladder(THREE_SECONDS, NOW), "0111011110", "--------B-"),
        # a higher level holds the lower ones too: blue since 1, yellow since 3
        (ladder(THREE_SECONDS, NOW), "01122222", "----BBYY"),
        # methane: two readings below red, one at red
        (ladder(TWO, TWO, R=NOW), "0304430300", "---RRRROO-"),
        # falling waits for clear.for, and starts anew when the level holds again
        (ladder(NOW, THREE_SECONDS), "02111211111", "-YYYYYYYYBB"),
        # while no level holds it stays, until it clears
        (ladder(NOW, THREE_SECONDS), "0300100000", "-OOOOOOO--"),
        # it falls to what holds then, however it got there
        (ladder(NOW, TWO), "043211", "-RRYYB"),
    ],
)
def test_levels(moves: Ladder, heights: str, levels: str) -> None:
    track, got = Track(), ""
    for second, height in enumerate(heights.replace(" ", "")):
        step(track, moves, second * 1000, int(height), clear=True)
        got += "-BYOR"[track.level]
    assert got == levels.replace(" ", "")


def test_between_the_lowest_level_and_the_clear_value_nothing_changes() -> None:
    track = Track()
    for second, (height, clear) in enumerate([(1, False), (0, False), (0, True), (0, False), (0, True), (0, True)]):
        transition = step(track, ladder(NOW, Hold(ms=1000)), second * 1000, height, clear)
        assert (track.level == 0) == (second == 5)
    assert transition is not None
    assert (transition.word, transition.onset, transition.at) == ("cleared", 0, 5000)


def test_onset_is_when_the_condition_that_raised_began_to_hold() -> None:
    track = Track()
    moves = ladder(Hold(ms=2000), NOW)
    transitions = [
        step(track, moves, at, height, True) for at, height in ((0, 1), (1000, 1), (2000, 2), (4000, 2), (5000, 0))
    ]
    said = [(t.word, t.level, t.previous, t.onset, t.at) for t in transitions if t]
    assert said == [("raised", 1, 0, 0, 2000), ("changed", 2, 1, 0, 4000), ("cleared", 0, 2, 0, 5000)]


def test_out_of_order_readings_count_as_readings_but_time_stands_still() -> None:
    track, moves = Track(), Ladder(((1, Hold(ms=1000)), (2, TWO)), NOW)
    assert step(track, moves, 5000, 1, True) is None
    assert step(track, moves, 5000, 2, True) is None
    raised = step(track, moves, 5000, 2, True)
    assert raised is not None
    assert (raised.level, raised.onset) == (2, 5000)


def test_an_idle_track_is_a_new_one_after_clearing() -> None:
    track, moves = Track(), ladder(NOW, NOW)
    for height in (0, 2, 4, 0):
        step(track, moves, 0, height, True)
    assert track.level == 0
    assert all(timer.readings == 0 for timer in (*track.holding.values(), track.failing, track.clearing))
