from __future__ import annotations

import time

import pytest
from rich.console import Console
from rich.table import Table

from deploy.local.state import Identity, PartState, PartStatus, Phase, StackState
from deploy.local.view import duration, part_line, parts_table


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


def stack(health: str = "") -> StackState:
    address = "http://127.0.0.1:31415/metrics"
    state = PartState.UNHEALTHY if health else PartState.HEALTHY
    parts = [PartStatus("http-gateway", address, state, 1_234_567, health, 3, time.time() - 3_725)]
    return StackState(Identity(1, 2, "boot"), Phase.RUNNING, parts)


def shown(table: Table, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_narrow_status_leaves_out_pid_and_restarts_and_cuts_nothing() -> None:
    assert "1234567" in shown(parts_table(stack(), 200), 200)
    narrow = shown(parts_table(stack(), 70), 70)
    assert "1234567" not in narrow
    assert "restarts" not in narrow
    assert all(text in narrow for text in ("healthy", "http://127.0.0.1:31415/metrics", "1 h 2 min"))
    troubled = shown(parts_table(stack("no answer on /readyz: connection refused"), 80), 80)
    assert "…" not in troubled
    assert "unhealthy" in troubled
    assert "http://127.0.0.1:31415/metrics" in troubled
