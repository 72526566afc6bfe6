import json
import os
import signal
from collections import Counter

import click
import pytest

from riskstream.devices.counts import Counts, TransportCounts
from riskstream.devices.report import Duration, in_words, print_counts, progress_bar, stop_on_interrupt


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("60s", 60), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5)])
def test_durations(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1 fortnight", "s"])
def test_no_durations(text):
    with pytest.raises(click.BadParameter, match="allowed"):
        Duration().convert(text, None, None)


def counts() -> Counts:
    mqtt = TransportCounts(sent=10, acknowledged=7, messages=3, resent=1, rejected=Counter(no_matching_subscribers=1))
    return Counts({"mqtt": mqtt, "http": TransportCounts(sent=5, acknowledged=5, messages=1)})


def test_every_reading_is_acknowledged_rejected_or_unanswered(capsys):
    print_counts(counts(), "json")
    content = json.loads(capsys.readouterr().out)
    assert (content["sent"], content["acknowledged"], content["unanswered"]) == (15, 12, 2)
    assert content["via"]["mqtt"]["rejected"] == {"no_matching_subscribers": 1}
    print_counts(counts(), "text")
    text = capsys.readouterr().out
    assert "total" in text
    assert "rejected, no_matching_subscribers: 1" in text
    assert "1 messages were sent again" in text
    assert "\x1b" not in text


def test_no_bar_where_there_is_no_terminal(capsys):
    with progress_bar("x") as show:
        show(1, 2, counts())
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_the_first_interrupt_stops_the_second_ends():
    with stop_on_interrupt() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(700, "12 minutes"), (7200, "2 hours"), (12_700, "3.5 hours"), (345_600, "4 days"), (2e8, "2,315 days")],
)
def test_long_times_in_words(seconds, text):
    assert in_words(seconds) == text
