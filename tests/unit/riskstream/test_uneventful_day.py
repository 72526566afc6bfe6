"""An uneventful day of the sample city, replayed by the shipped rules, raises next to nothing.

An hour and a half of the morning by default; UNEVENTFUL_HOURS=24 plays the whole day (some two minutes). What
comes in the first quarter of an hour is not counted: the city's windows are full then, as those of a running city are.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from riskstream.devices.city import load_city
from riskstream.replay.command import replay

HOURS = float(os.environ.get("UNEVENTFUL_HOURS") or 1.5)
START = datetime(2026, 7, 1, 5 if HOURS < 19 else 0, tzinfo=UTC)
WARM_UP = timedelta(minutes=15)


@pytest.mark.timeout(1200)
def test_fewer_than_one_false_alert_a_thousand_sensors_a_day() -> None:
    # at this rate every device reports as often as it should; only bridges record one second in thirteen
    start, duration = START - WARM_UP, timedelta(hours=HOURS) + WARM_UP
    arguments = ["--scenario", "quiet", "--rate", "200", "--report-since", START.isoformat()]
    arguments += ["--start", start.isoformat(), "--duration", f"{duration.total_seconds():.0f}s"]
    result = CliRunner().invoke(replay, [*arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    alerts = [json.loads(line) for line in result.stdout.splitlines()]
    a_day_per_thousand = len(alerts) * max(1.0, 24 / HOURS) * 1000 / len(load_city().sensors)
    assert a_day_per_thousand < 1, alerts
