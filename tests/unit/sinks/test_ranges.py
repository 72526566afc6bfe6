"""Ranges: where they are cut, and that the same range of the same log gives the same inserts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sinks.feeds import Feed
from sinks.ranges import Collector, Unreadable, decode_intent, encode_intent
from sinks.rows.place import Log, Placed, TableRows

MONTH_MS = 31 * 86_400_000


def tables(log: Log, records: Any) -> list[TableRows]:
    times = np.array([record.value for record in records], np.int64)
    return [TableRows("t", {"at": times}, times)]


FEED = Feed("topic", lambda data, headers: data, lambda value: 1, tables)


def collector(**changes: Any) -> Collector:
    return Collector(FEED, Log("gen", 3), **changes)


def add(to: Collector, *offsets: int, now: float = 0.0, time: int = 0) -> None:
    for offset in offsets:
        to.add(Placed(time, offset, 0), 10, now)


def span(to: Collector) -> tuple[int, int, int] | None:
    cut = to.cut()
    return None if cut is None else (cut.first, cut.last, sum(len(one.columns["at"]) for one in cut.inserts))


def test_ranges_follow_each_other_without_gaps() -> None:
    # offsets  5 6 | 9 (7 and 8 were compacted away)
    ours = collector(position=4)
    assert span(ours) is None
    add(ours, 5, 6)
    assert span(ours) == (4, 6, 2)
    add(ours, 9)
    assert span(ours) == (7, 9, 1)
    assert ours.position == 10


def test_without_a_position_the_first_record_is_the_start() -> None:
    ours = collector()
    add(ours, 17)
    assert span(ours) == (17, 17, 1)


def test_an_intended_range_is_cut_exactly_and_the_rest_later() -> None:
    # committed: offset 10, intent to 12
    ours = collector(position=10, replay_to=12)
    add(ours, 10, 11)
    assert ours.replaying()
    assert not ours.due(100.0, 0.0, 1, 1)
    add(ours, 12, 13, 14)
    assert not ours.replaying()
    assert ours.due(100.0, 1.0, 99, 999)
    assert span(ours) == (10, 12, 3)
    assert span(ours) == (13, 14, 2)


def test_the_intended_end_may_be_compacted_away() -> None:
    ours = collector(position=10, replay_to=12)
    add(ours, 10, 15)
    assert span(ours) == (10, 12, 1)
    assert span(ours) == (13, 15, 1)


@pytest.mark.parametrize(
    ("now", "rows", "size", "due"), [(0.9, 3, 31, False), (1.0, 3, 31, True), (0.1, 2, 31, True), (0.1, 3, 20, True)]
)
def test_due_by_age_rows_or_size(now: float, rows: int, size: int, due: bool) -> None:
    ours = collector()
    add(ours, 1, 2)
    assert ours.due(now, 1.0, rows, size) is due


def test_tokens_name_table_generation_partition_range_and_month() -> None:
    ours = collector(position=4)
    add(ours, 4, time=0)
    add(ours, 5, time=MONTH_MS)
    cut = ours.cut()
    assert cut is not None
    assert [(one.token, one.columns["at"].tolist()) for one in cut.inserts] == [  # type: ignore[union-attr]
        ("t:gen:3:4-5:197001", [0]),
        ("t:gen:3:4-5:197002", [MONTH_MS]),
    ]


def test_undecodable_records_move_the_position() -> None:
    ours = collector(position=0)
    bad = Unreadable(0, 0, b"x", "why")
    ours.add(bad, 1, 0.0)
    cut = ours.cut()
    assert cut is not None
    assert (cut.last, cut.inserts, cut.unreadable) == (0, [], [bad])


@pytest.mark.parametrize("metadata", [None, "", "last=5", "riskstream-sink/1 gen five", "riskstream-sink/1 other 5"])
def test_other_metadata_is_no_intent(metadata: str | None) -> None:
    assert decode_intent(metadata, "gen") is None


def test_intent_round_trip() -> None:
    assert decode_intent(encode_intent("gen", 5), "gen") == 5
