"""What of a sensor's series an alert's page shows, and how long texts are broken."""

from __future__ import annotations

from rich.console import Console

from riskstream.alert_page import charted_span, labelled

MINUTE = 60_000


def test_an_open_alert_is_charted_to_the_newest_reading() -> None:
    assert charted_span(100 * MINUTE, 200 * MINUTE, 200 * MINUTE, 10) == (80 * MINUTE, 200 * MINUTE)


def test_a_cleared_alert_is_charted_to_a_bit_after_it_cleared() -> None:
    assert charted_span(100 * MINUTE, 200 * MINUTE, 9_000 * MINUTE, 10) == (80 * MINUTE, 220 * MINUTE)
    # no further than there are readings
    assert charted_span(100 * MINUTE, 200 * MINUTE, 205 * MINUTE, 10) == (80 * MINUTE, 205 * MINUTE)


def test_a_short_alert_has_some_readings_before_it() -> None:
    assert charted_span(100 * MINUTE, 100 * MINUTE, 100 * MINUTE, 300) == (70 * MINUTE, 100 * MINUTE)


def test_each_line_of_advice_is_indented() -> None:
    console = Console(width=40)
    with console.capture() as capture:
        console.print(labelled({"advice": ["Close the valve and send a team to the place", "关闭阀门" * 10]}, "bold"))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert len(lines) > 3
    assert lines[0].startswith("    advice Close")
    assert all(line.startswith(" " * 11) for line in lines[1:])
