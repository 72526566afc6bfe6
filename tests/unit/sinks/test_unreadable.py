"""The limit on what may be rejected, and the record that tells of it."""

from __future__ import annotations

import pytest

from sinks.ranges import Unreadable
from sinks.unreadable import KEPT_BYTES, Limit, SinkStoppedError, rejected


def count_bad(limit: Limit, count: int) -> None:
    for _ in range(count):
        limit.count(bad=True)


def test_a_few_bad_records_pass() -> None:
    limit = Limit("topic", 0.5)
    count_bad(limit, 19)
    for _ in range(30):
        limit.count(bad=False)
    for number in range(5000):
        limit.count(bad=number % 3 == 2)


def test_a_broken_topic_stops() -> None:
    limit = Limit("topic", 0.5)
    for _ in range(10_000):
        limit.count(bad=False)
    with pytest.raises(SinkStoppedError, match=r"of topic could not be decoded.*REJECTED_SHARE_LIMIT \(0\.5\)"):
        count_bad(limit, 1000)


def test_the_original_is_kept_up_to_a_bound() -> None:
    record = rejected(Unreadable(7, 5, b"x" * (KEPT_BYTES + 1), "why"), "readings.rainfall", 3, "sink-1")
    assert (len(record.original), record.truncated, record.origin) == (KEPT_BYTES, True, "readings.rainfall/3/7")
    assert (record.kind, record.reason, record.source, record.received_at) == ("rainfall", "poison", "sink", 5)
