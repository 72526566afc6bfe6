from __future__ import annotations

import pytest

from deploy.local.state import PartState, PartStatus
from deploy.local.view import duration, part_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3_725, "1 h 2 min"),
        (86_400, "1 d 0 h"),
        (200_000, "2 d 7 h"),
    ],
)
def test_duration_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_healthy_part_says_where_and_a_troubled_one_says_why() -> None:
    part = PartStatus("kafka", "127.0.0.1:9092", PartState.HEALTHY, 1, "old trouble")
    assert part_line(part) == "kafka: healthy at 127.0.0.1:9092"
    part.state, part.health = PartState.RESTARTING, "ended with exit code 1"
    assert part_line(part) == "kafka: restarting (ended with exit code 1)"
    part.state = PartState.STARTING
    assert part_line(part) == "kafka: starting"
