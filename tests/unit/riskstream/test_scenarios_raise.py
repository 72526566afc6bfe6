"""The simulated city under the shipped rules: quiet raises nothing, each scenario what its docstring says."""

import numpy as np
import pytest

from processors.core.engine import Engine
from processors.ruleset import load_rules
from riskstream.devices.city import load_city
from riskstream.devices.scenarios import LEAD_IN_S, SCENARIOS
from riskstream.devices.simulator import Readings, Simulator
from schemas.batch import Batch, Mode
from schemas.records import Level
from schemas.registry import Snapshot

MIDNIGHT = 1_782_864_000_000  # 2026-07-01 00:00 UTC
HOUR_MS = 3_600_000
STEP_MS = 20_000


@pytest.fixture(scope="module")
def city():
    return load_city()


@pytest.fixture(scope="module")
def rules(city):
    return load_rules(None, city.kinds)


def raised(city, rules, *, scenario=None, start_ms, span_s, rate=200.0):
    """The highest level of each rule, with the ids of the sensors: {rule: (level, sensors)}."""
    snapshot = Snapshot(1, city.sensors, city.assets)
    simulator = Simulator(
        city.sensors.values(), city.assets, city.kinds, seed=7, scenario=SCENARIOS.get(scenario), start_ms=start_ms
    )
    simulator.limit(rate)
    engines = {name: Engine(kind, rules, snapshot, 0) for name, kind in city.kinds.items()}
    found = {}
    end_ms = start_ms + round(span_s * 1000)
    for offset, at in enumerate(range(start_ms, end_ms, STEP_MS)):
        for sent in simulator.step(at, min(at + STEP_MS, end_ms)):
            kind = sent.fleet.kind
            for signal in engines[kind.name].process(batch_of(sent, at + STEP_MS), offset, at + STEP_MS):
                level, sensors = found.get(signal.rule_id, (Level.NONE, set()))
                found[signal.rule_id] = (max(level, signal.level), sensors | {signal.sensor_id})
    return found


def batch_of(sent, received_at):
    kind, ids = sent.fleet.kind, [sensor.sensor_id for sensor in sent.fleet.sensors]
    if isinstance(sent, Readings):
        sensor, times, values = sent.sensor, sent.observed_at, dict(sent.values)
    else:
        count = next(iter(sent.values.values())).shape[1]
        steps = np.round(np.arange(count) * 1000 / sent.rate_hz).astype(np.int64)
        sensor, times = np.repeat(sent.sensor, count), (sent.observed_at[:, None] + steps).ravel()
        values = {name: column.ravel() for name, column in sent.values.items()}
    for field in kind.fields:
        values.setdefault(field.name, np.full(len(sensor), np.nan))
    late = np.zeros(len(sensor), np.bool_)
    return Batch(kind.name, "g", "test", Mode.LIVE, "", received_at, ids, sensor.astype(np.int32), times, late, values)


@pytest.mark.parametrize("hour", [3, 9, 19])
def test_a_quiet_city_raises_nothing(city, rules, hour):
    assert raised(city, rules, start_ms=MIDNIGHT + hour * HOUR_MS, span_s=1500) == {}


BLUE, YELLOW, ORANGE, RED = Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gas-leak", {"gas.methane.high": RED, "gas.pressure.low": RED}),
        ("pipe-burst", {"flood.road.depth": ORANGE, "water.service-pressure.low": RED}),
        ("support-settles", {"bridge.strain.shift": ORANGE}),
        (
            "storm",
            {
                "flood.manhole.level": RED, "flood.rain": ORANGE, "flood.river.level": YELLOW,
                "flood.underpass.depth": RED, "flood.underpass.rise": ORANGE,
            },
        ),
        (
            "storm-and-leak",
            {
                "flood.manhole.level": RED, "flood.rain": ORANGE, "flood.road.depth": BLUE,
                "flood.underpass.depth": RED, "flood.underpass.rise": ORANGE, "gas.methane.high": RED,
                "gas.pressure.low": RED,
            },
        ),
    ],
)  # fmt: skip
def test_a_scenario_raises_what_it_says(city, rules, name, expected):
    span_s = SCENARIOS[name].span_s + LEAD_IN_S
    found = raised(city, rules, scenario=name, start_ms=MIDNIGHT + 9 * HOUR_MS, span_s=span_s)
    assert {rule: level for rule, (level, _) in found.items()} == expected
    if name == "storm-and-leak":
        zone = city.assets["UP-1"].zone
        for rule in ("gas.methane.high", "gas.pressure.low", "flood.underpass.depth", "flood.manhole.level"):
            assert any(city.sensors[sensor_id].zone == zone for sensor_id in found[rule][1])
