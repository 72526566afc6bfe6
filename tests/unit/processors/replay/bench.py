"""A small log for the tests of replay: pressures of a few sensors, and alerts made by hand."""

from __future__ import annotations

import numpy as np

from processors.replay.outcome import AlertStory
from processors.replay.tables import FileLog
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.log import LogRecord
from schemas.records import Alert
from schemas.registry import Sensor, Snapshot

KINDS = load_kinds()
KIND = KINDS["gas_pressure"]
START = 1_790_000_000_000
SENSORS = {
    name: Sensor(name, "gas_pressure", name, f"city/{side}/mill", "gas", profile="low-pressure",
                 attributes={"period_s": 10.0})
    for name, side in (("gp-1", "north"), ("gp-2", "south"))
}  # fmt: skip
REGISTRY = Snapshot(1, SENSORS, {})


def pressures(series: dict[str, list[float]], first: int = 0) -> LogRecord:
    """A record of one pressure a sensor every 10 s."""
    steps = len(next(iter(series.values())))
    at = np.repeat(START + 10_000 * (first + np.arange(steps)), len(series))
    values = np.array(list(series.values())).T.ravel()
    nothing = np.full(len(values), np.nan)
    return FileLog(KINDS, REGISTRY).record(
        KIND, list(series), np.tile(np.arange(len(series), dtype=np.int32), steps), at,
        {"pressure_kpa": values, "flow_m3h": nothing, "temperature_c": nothing},
    )  # fmt: skip


def story(
    raised_s: float, cleared_s: float | None, *, rule: str = "r", sensor: str = "s", zone: str = "c/d/s",
    level: Level = Level.BLUE,
) -> AlertStory:  # fmt: skip
    """An alert that holds from one time to another, in seconds."""
    alert = Alert(
        f"{rule}/{sensor}/{raised_s}", 1, "raised", "threshold", level, level, "raised", cleared_s is not None, rule, 1,
        1, "gas_pressure", zone, "gas", ["gas"], "", [sensor], [], {}, {}, round(raised_s * 1000),
        round(raised_s * 1000), 0, round(1000 * (raised_s if cleared_s is None else cleared_s)), None, False, "", 1.0,
        "{}", "live",
    )  # fmt: skip
    return AlertStory(alert, ())
