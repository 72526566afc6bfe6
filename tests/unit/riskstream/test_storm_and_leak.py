"""The scenario storm-and-leak through the engines: its couplings come in order, each once for its place."""

import numpy as np
import pytest

from processors.city import City
from processors.core.coupling import event_signal
from processors.core.engine import Engine
from processors.standard_files import load_standard
from riskstream.devices.city import load_city
from riskstream.devices.scenarios import LEAD_IN_S, SCENARIOS
from riskstream.devices.simulator import Readings, Simulator
from schemas.batch import Batch, Mode
from schemas.levels import Level
from schemas.records import Event
from schemas.registry import Snapshot

START_MS = 1_782_896_400_000  # 2026-07-01 09:00 UTC
STEP_MS = 20_000


STORM, WIDE = "coupled.underpass-in-a-storm", "coupled.wide-failure"
CHAMBER, LEAK = "coupled.gas-in-chamber", "coupled.leak-confirmed"


@pytest.mark.parametrize(
    ("warned", "order"),
    [
        # the gauges need 50 mm of rain until they say orange
        (False, [WIDE, CHAMBER, LEAK, STORM]),
        # a weather warning is there before the rain: the underpass is closed before it is full
        (True, [STORM, WIDE, CHAMBER, LEAK]),
    ],
)
def test_its_couplings_come_in_order_each_once(warned: bool, order: list[str]) -> None:
    city = load_city()
    standard = load_standard(None, city.kinds)
    snapshot = Snapshot(1, city.sensors, city.assets)
    scenario = SCENARIOS["storm-and-leak"]
    simulator = Simulator(city.sensors.values(), city.assets, city.kinds, seed=7, scenario=scenario, start_ms=START_MS)
    simulator.limit(200.0)
    engines = {name: Engine(kind, standard.rules, snapshot, 0) for name, kind in city.kinds.items()}
    hazards = City(standard, snapshot)
    signals, risks, log = [], [], []
    end_ms = START_MS + round((scenario.span_s + LEAD_IN_S) * 1000)

    def take(signal, log_time):
        log.append((signal, log_time))
        output = hazards.take(signal, log_time, snapshot, 0, len(log))
        signals.extend(output.signals)
        risks.extend(output.risks)

    if warned:
        storm = Event("w-1", "rainstorm", Level.ORANGE, "lanshui", "", START_MS, end_ms, "weather service")
        take(event_signal(storm, 0, 0), START_MS)
    for offset, at in enumerate(range(START_MS, end_ms, STEP_MS)):
        for sent in simulator.step(at, min(at + STEP_MS, end_ms)):
            for signal in engines[sent.fleet.kind.name].process(batch_of(sent, at + STEP_MS), offset, at + STEP_MS):
                take(signal, at + STEP_MS)
    coupled = [one for one in signals if one.type == "coupling"]
    raised = [one for one in coupled if one.transition == "raised"]
    zone = city.assets["UP-1"].zone
    assert [one.rule_id for one in raised] == order
    assert all(zone.startswith(one.zone) for one in raised)

    chamber = [one for one in coupled if one.rule_id == "coupled.gas-in-chamber"]
    assert max(one.level for one in chamber) == Level.RED
    assert set(chamber[0].departments) == {"gas", "flood", "emergency"}
    known = {one.alert_id for one, _ in log}
    assert all(member in known for one in coupled for member in one.contributing)

    # the index of that street rises with it; it is worst where the hazards meet
    street = "/".join(zone.split("/")[:3])
    highest = {risk.zone: max(r.index for r in risks if r.zone == risk.zone) for risk in risks}
    assert max((index, name) for name, index in highest.items() if name.count("/") == 2)[1] == street
    assert any(one.type == "index" and one.zone == street and one.level >= Level.ORANGE for one in signals)

    # the same log gives the same
    again = City(standard, snapshot)
    repeated = [one for n, (s, at) in enumerate(log, 1) for one in again.take(s, at, snapshot, 0, n).signals]
    assert str(repeated) == str(signals)  # as text, because NaN is not itself


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
