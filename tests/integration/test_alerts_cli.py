"""`riskstream alerts` and `riskstream rejected` on the real Kafka and ClickHouse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from riskstream.alerts import alerts
from riskstream.rejected import rejected
from runtime.settings import Settings
from schemas.levels import Level
from schemas.records import Alert, Rejected
from tests.integration.sink_bench import (
    START_MS,
    batch,
    count,
    prepare,
    produce,
    produce_batches,
    running_sink,
    settings_of,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

EVIDENCE = {
    "expression": "median(pressure_kpa, 60s)",
    "value": 1.1,
    "unit": "kPa",
    "thresholds": {"yellow": {"below": 1.5}, "orange": {"below": 1.2}},
    "windows": {"median(pressure_kpa, 60s)": 1.1},
}


def event(
    alert_id: str, sequence: int, level: Level, zone: str, name: str = "raised", *, priority: int = 5, minute: int = 0
) -> Alert:
    return Alert(
        alert_id, sequence, name, "threshold", level, level, "raised", name == "cleared", "gas-low", 1, 1, "gas_pressure",
        zone, "gas", ["gas", "emergency"] if zone == "city/east/a" else ["gas"], "", ["sensor-a"], [],
        {"en": "Low gas pressure", "zh": "燃气低压"}, {"en": "Send a team"}, START_MS,
        START_MS + 60_000 + minute * 60_000, START_MS,
        START_MS + sequence * 60_000, None, False, "", 1.1, json.dumps(EVIDENCE), "live", priority=priority,
    )  # fmt: skip


@pytest.fixture
def city(space: Space, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A space with three alerts, the readings of their sensor, and rejected readings."""
    for name, value in space.environment.items():
        monkeypatch.setenv(name, value)
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["gas_pressure"]
    numbers = np.arange(240)
    pressure = np.where((numbers > 110) & (numbers < 130), 1.1, 2.0)
    values = {"pressure_kpa": pressure, "flow_m3h": np.full(240, np.nan), "temperature_c": np.full(240, np.nan)}
    start = START_MS - 3_600_000
    produce_batches(settings, kind, [batch(kind, 240, start_ms=start, step_ms=30_000, values=values)])
    events = [
        event("aa11", 1, Level.YELLOW, "city/east/a"),
        event("aa11", 2, Level.ORANGE, "city/east/a", "changed"),
        event("bb22", 1, Level.RED, "city/east"),
        event("ab33", 1, Level.YELLOW, "city/eastern"),
        event("ab33", 2, Level.YELLOW, "city/eastern", "cleared"),
        # newer than the others, of the level of aa11
        event("cc44", 1, Level.ORANGE, "west", priority=2, minute=1),
        event("dd55", 1, Level.ORANGE, "west", minute=2),
        event("ee66", 1, Level.ORANGE, "west", priority=2, minute=3),
    ]
    produce(settings, "alerts", [one.encode() for one in events])
    bad = [
        Rejected(b'{"a":', "mqtt", "g", "riskstream/v1/rainfall/r", "unreadable", "not JSON", START_MS, kind="rainfall"),
        Rejected(b"{}", "http", "g", "/v1/readings/rainfall", "missing_field", "no rain_mm", START_MS, kind="rainfall"),
        Rejected(b"\xff", "mqtt", "g", "riskstream/v1/rainfall/r", "unreadable", "not UTF-8", START_MS + 1, kind="rainfall"),
    ]  # fmt: skip
    produce(settings, "readings.rejected", [one.encode() for one in bad])
    with running_sink(settings, kinds):
        wait_until(
            lambda: (
                count(settings, kind.table) == 240
                and count(settings, "alert_events") == 8
                and count(settings, "rejected_readings") == 3
            ),
            "all rows",
        )
    return settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(alerts, arguments)


def rows_of(*arguments: str) -> list[dict[str, Any]]:
    result = run("list", "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def listed(*arguments: str) -> set[str]:
    """Without those in the west."""
    return {row["alert_id"] for row in rows_of(*arguments) if row["zone"] != "west"}


def test_alerts_are_listed_shown_and_watched(city: Settings) -> None:
    # the filters
    assert listed() == {"aa11", "bb22", "ab33"}
    assert listed("--open") == {"aa11", "bb22"}
    assert listed("--level", "orange") == {"aa11", "bb22"}
    assert listed("--level", "red") == {"bb22"}
    assert listed("--department", "emergency") == {"aa11"}
    assert listed("--zone", "city/east") == {"aa11", "bb22"}
    assert listed("--since", "1h") == set()
    assert listed("--since", datetime.fromtimestamp(START_MS / 1000, UTC).isoformat()) == {"aa11", "bb22", "ab33"}
    assert "neither a time" in run("list", "--since", "yesterday").output

    # open ones by level, then by priority, then the newest first; all by time alone
    worst_first = [row["alert_id"] for row in rows_of("--open")]
    assert worst_first == ["bb22", "ee66", "cc44", "dd55", "aa11"]
    assert [row["alert_id"] for row in rows_of()][:3] == ["ee66", "dd55", "cc44"]
    assert [(row["priority"], row["unit"]) for row in rows_of("--limit", "1")] == [(2, "kPa")]

    # piped output is plain
    lines = run("list", "--level", "red").stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["raised_at", "level", "state"]
    assert lines[1].split("\t")[1:6] == ["red", "raised", "Low gas pressure", "city/east", "sensor-a"]
    assert "bb22" in run("list", "--format", "table").stdout
    assert "1.1 kPa" in run("list", "--format", "table").stdout

    # one with its events, evidence and chart
    page = run("show", "aa11").stdout
    for part in (
        "Low gas pressure",
        "燃气低压",
        "Send a team",
        "changed",
        "orange",
        "median(pressure_kpa, 60s)",
        "1.1 kPa",
    ):
        assert part in page
    assert "pressure_kpa of sensor-a, kPa" in page
    assert any(0x2800 < ord(letter) <= 0x28FF for letter in page)
    assert "1.2" in page.split("pressure_kpa of sensor-a")[1]
    assert run("show", "zz").exit_code == 1
    assert "more than one alert" in run("show", "a").output

    # live from Kafka
    watched = run("watch", "--since", "1h", "--limit", "6")
    assert watched.exit_code == 0, watched.output
    lines = watched.stdout.splitlines()
    assert [line.split()[2] for line in lines] == ["yellow", "orange", "red", "yellow", "yellow", "orange"]
    assert all("1.1 kPa" in line for line in lines)
    assert [("priority 2" in line) for line in lines] == [False] * 5 + [True]
    watched = run("watch", "--since", "1h", "--limit", "1", "--level", "red", "--format", "json")
    assert json.loads(watched.stdout)["alert_id"] == "bb22"

    # rejected readings
    counts = CliRunner().invoke(rejected, ["list", "--format", "json"])
    assert [(row["reason"], row["count"]) for row in map(json.loads, counts.stdout.splitlines())] == [
        ("unreadable", 2),
        ("missing_field", 1),
    ]
    each = CliRunner().invoke(rejected, ["list", "--each", "--reason", "unreadable", "--format", "json"])
    assert [json.loads(line)["original"] for line in each.stdout.splitlines()] == ["\ufffd", '{"a":']
    assert CliRunner().invoke(rejected, ["list", "--since", "1h"]).stdout.count("\n") == 1


def test_servers_that_are_away_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_CLICKHOUSE_PORT", "1")
    result = run("list")
    assert result.exit_code == 1
    assert "ClickHouse is not reachable" in result.output
    assert "Traceback" not in result.output
