import numpy as np
import pytest

from riskstream.devices.city import load_city
from riskstream.devices.messages import messages_of
from riskstream.devices.noise import Noise
from riskstream.devices.scenarios import SCENARIOS, ScenarioError, scenario_named
from riskstream.devices.simulator import MAX_DELAY_MS, MAX_SKEW_MS, Readings, Runs, Simulator

MIDNIGHT = 1_782_864_000_000  # 2026-07-01 00:00 UTC
HOUR = 3_600_000


@pytest.fixture(scope="module")
def city():
    return load_city()


def simulate(city, hours, *, from_ms=MIDNIGHT, scenario=None, seed=7, step_ms=10_000, rate=60.0, sensors=None):
    """All readings of a play as {kind: (ids, times, {field: values})}, in the order they are sent."""
    sensors = city.sensors.values() if sensors is None else sensors
    chosen = scenario and scenario_named(scenario)
    simulator = Simulator(sensors, city.assets, city.kinds, seed=seed, scenario=chosen, start_ms=from_ms)
    simulator.limit(rate)
    end = from_ms + round(hours * HOUR)
    batches = []
    for at in range(from_ms, end, step_ms):
        batches += simulator.step(at, min(at + step_ms, end))
    batches += simulator.rest()
    out = {}
    for kind in {batch.fleet.kind.name for batch in batches}:
        ids, times, values = [], [], {}
        for batch in (b for b in batches if b.fleet.kind.name == kind):
            names = np.array([sensor.sensor_id for sensor in batch.fleet.sensors])[batch.sensor]
            if isinstance(batch, Runs):
                count = next(iter(batch.values.values())).shape[1]
                offsets = np.round(np.arange(count) * 1000 / batch.rate_hz).astype(np.int64)
                ids.append(np.repeat(names, count))
                times.append((batch.observed_at[:, None] + offsets).ravel())
            else:
                ids.append(names)
                times.append(batch.observed_at)
            for name, column in batch.values.items():
                values.setdefault(name, []).append(column.ravel())
        out[kind] = (np.concatenate(ids), np.concatenate(times), {n: np.concatenate(v) for n, v in values.items()})
    return out


def column(city, played, kind, field, profile=None):
    """(values, sensors) of a field, of one profile if given."""
    ids, _, values = played[kind]
    sensors = [city.sensors[id_] for id_ in ids]
    keep = np.array([profile is None or sensor.profile == profile for sensor in sensors])
    return values[field][keep], [sensor for sensor, kept in zip(sensors, keep, strict=True) if kept]


def attribute(sensors, name):
    return np.array([sensor.attributes[name] for sensor in sensors])


@pytest.fixture(scope="module")
def quiet_day(city):
    return simulate(city, 24, rate=6.0, step_ms=HOUR // 4)


def test_a_quiet_day_keeps_clear_of_every_threshold(city, quiet_day):
    low, _ = column(city, quiet_day, "gas_pressure", "pressure_kpa", "low-pressure")
    assert low.min() > 1.9
    assert low.max() < 2.5
    medium, _ = column(city, quiet_day, "gas_pressure", "pressure_kpa", "medium-pressure")
    assert np.ptp(medium) < 0.08 * medium.mean()
    methane, _ = column(city, quiet_day, "gas_concentration", "methane_lel")
    assert methane.max() < 10
    service, _ = column(city, quiet_day, "water_network", "pressure_kpa")
    assert service.min() > 300
    for profile in ("underpass", "road"):
        depth, _ = column(city, quiet_day, "water_level", "level_m", profile)
        assert depth.max() < 0.02
    level, manholes = column(city, quiet_day, "water_level", "level_m", "manhole")
    assert (level < attribute(manholes, "crown_m") - 0.05).all()
    river, gauges = column(city, quiet_day, "water_level", "level_m", "river")
    assert (river < attribute(gauges, "warning_m") - 1).all()
    ids, _, values = quiet_day["rainfall"]
    assert max(values["rain_mm"][ids == gauge].sum() for gauge in np.unique(ids)) < 40


def test_a_quiet_night_is_quiet_for_the_loggers(city):
    night = simulate(city, 1.5, from_ms=MIDNIGHT + 2 * HOUR, rate=20.0, step_ms=HOUR // 4)
    noise, loggers = column(city, night, "water_leak_acoustics", "noise_db")
    assert (noise - attribute(loggers, "floor_db")).max() < 12
    day = simulate(city, 1.5, from_ms=MIDNIGHT + 9 * HOUR, rate=20.0, step_ms=HOUR // 4)
    louder, loggers = column(city, day, "water_leak_acoustics", "noise_db")
    assert (louder - attribute(loggers, "floor_db")).mean() > 12


def test_quiet_bridges_move_with_temperature_only(city):
    played = simulate(city, 0.5, from_ms=MIDNIGHT + 8 * HOUR, rate=300.0)
    strain, gauges = column(city, played, "bridge_strain", "strain_ue")
    temperature, _ = column(city, played, "bridge_strain", "temperature_c")
    thermal = attribute(gauges, "alpha_ue_per_c") * (temperature - attribute(gauges, "reference_c"))
    moved = strain - attribute(gauges, "zero_ue") - thermal
    assert (np.abs(moved) < 0.25 * attribute(gauges, "design_strain_ue")).all()
    ids, times, _ = played["bridge_strain"]
    for sensor_id in ("BS-1-01", "BS-1-02", "BS-4-07"):
        mine = ids == sensor_id
        for start in range(3):
            window = mine & (times // 600_000 == (MIDNIGHT + 8 * HOUR) // 600_000 + start)
            assert abs(moved[window].mean()) < 15


def test_gas_demand_follows_the_day(city, quiet_day):
    flow, _ = column(city, quiet_day, "gas_pressure", "flow_m3h", "medium-pressure")
    ids, times, _ = quiet_day["gas_pressure"]
    hour = (times[[city.sensors[id_].profile == "medium-pressure" for id_ in ids]] - MIDNIGHT) / HOUR
    assert flow[(hour > 18) & (hour < 19)].mean() > 3 * flow[(hour > 2) & (hour < 4)].mean()


def test_values_are_whole_steps_of_the_kinds_resolution_and_within_its_range(city, quiet_day):
    for kind, (_, _, values) in quiet_day.items():
        for name, column_ in values.items():
            field = city.kinds[kind].field(name)
            measured = column_[~np.isnan(column_)]
            steps = measured / field.resolution
            assert np.abs(steps - np.round(steps)).max(initial=0) < 1e-6 * np.abs(steps).max(initial=1)
            assert field.optional or len(measured) == len(column_)
            assert measured.min(initial=0) >= field.minimum
            assert measured.max(initial=0) <= field.maximum


def flat(played):
    return {
        kind: sorted(
            zip(ids.tolist(), times.tolist(), *(np.nan_to_num(v).tolist() for v in values.values()), strict=True)
        )
        for kind, (ids, times, values) in played.items()
    }


def test_the_same_seed_and_start_give_the_same_readings_however_time_is_cut(city):
    once = flat(simulate(city, 0.2, scenario="storm", step_ms=10_000))
    assert flat(simulate(city, 0.2, scenario="storm", step_ms=7_001)) == once
    assert flat(simulate(city, 0.2, scenario="storm", seed=8)) != once


def test_devices_lose_skew_and_delay_but_no_gap_is_an_alarm(city):
    sensors = [sensor for sensor in city.sensors.values() if sensor.profile == "low-pressure"]
    played = simulate(city, 1, sensors=sensors, rate=1000.0)
    ids, times, _ = played["gas_pressure"]
    expected = len(sensors) * 360
    assert 0.003 * expected < expected - len(ids) < 0.02 * expected
    phases = {}
    for sensor_id in np.unique(ids):
        mine = np.sort(times[ids == sensor_id])
        assert len(np.unique(mine)) == len(mine)
        assert np.diff(mine).max() <= 20_000
        phases[sensor_id] = mine[0] - MIDNIGHT
    assert any(not 0 < phase <= 20_000 for phase in phases.values())  # clocks that are off
    assert max(abs(phase) for phase in phases.values()) <= 20_000 + MAX_SKEW_MS
    behind = np.maximum.accumulate(times) - times
    assert 0 < np.count_nonzero(behind > 20_000) < 0.02 * len(times)
    assert behind.max() <= MAX_DELAY_MS + 2 * MAX_SKEW_MS + 10_000


def test_the_city_is_thinned_to_a_rate(city):
    simulator = Simulator(city.sensors.values(), city.assets, city.kinds, seed=1)
    assert sum(simulator.readings_per_s()) > 1000
    for rate in (1000.0, 200.0, 20.0):
        simulator.limit(rate)
        assert sum(simulator.readings_per_s()) <= rate * 1.01


def test_sensors_for_recordings_stay_silent(city, quiet_day):
    assert not any(id_.startswith("REC-") for ids, _, _ in quiet_day.values() for id_ in np.unique(ids))


def scenario_of(city, name, hours=0.35):
    return simulate(city, hours, scenario=name, from_ms=MIDNIGHT + 9 * HOUR, rate=200.0)


def test_gas_leak(city):
    played = scenario_of(city, "gas-leak")
    low, _ = column(city, played, "gas_pressure", "pressure_kpa", "low-pressure")
    methane, _ = column(city, played, "gas_concentration", "methane_lel")
    assert low.min() < 0.75
    assert (methane > 50).sum() >= 3
    assert (low < 1.8).mean() < 0.02  # one place, not the city


def test_pipe_burst(city):
    played = scenario_of(city, "pipe-burst")
    service, _ = column(city, played, "water_network", "pressure_kpa", "service")
    assert service.min() < 100
    road, _ = column(city, played, "water_level", "level_m", "road")
    assert 0.2 < road.max() < 0.25
    noise, loggers = column(city, played, "water_leak_acoustics", "noise_db")
    assert (noise - attribute(loggers, "floor_db")).max() > 40


def test_support_settles(city):
    played = scenario_of(city, "support-settles")
    ids, times, values = played["bridge_strain"]
    late = times > times.max() - 300_000
    shift = {}
    for sensor_id in np.unique(ids):
        a = city.sensors[sensor_id].attributes
        mine = late & (ids == sensor_id)
        thermal = a["alpha_ue_per_c"] * (values["temperature_c"][mine] - a["reference_c"])
        shift[sensor_id] = (values["strain_ue"][mine] - thermal).mean() - a["zero_ue"]
    assert shift["BS-1-08"] > 90
    assert shift["BS-1-01"] < 25
    assert max(value for sensor_id, value in shift.items() if not sensor_id.startswith("BS-1-")) < 15


def test_storm(city):
    played = scenario_of(city, "storm")
    ids, _, values = played["rainfall"]
    totals = [values["rain_mm"][ids == gauge].sum() for gauge in np.unique(ids)]
    assert 50 < min(totals) < max(totals) < 100
    depth, _ = column(city, played, "water_level", "level_m", "underpass")
    assert depth.max() > 0.25
    river, gauges = column(city, played, "water_level", "level_m", "river")
    assert (river > attribute(gauges, "warning_m")).any()
    assert (river < attribute(gauges, "guarantee_m")).all()


def test_storm_and_leak_meet_in_one_grid(city):
    played = scenario_of(city, "storm-and-leak")
    zone = city.assets["UP-1"].zone

    def here(kind, field, profile):
        values, sensors = column(city, played, kind, field, profile)
        return values[[sensor.zone == zone for sensor in sensors]]

    assert here("water_level", "level_m", "underpass").max() > 0.25
    assert here("gas_pressure", "pressure_kpa", "low-pressure").min() < 0.8
    assert (here("gas_concentration", "methane_lel", "manhole") > 50).sum() >= 2
    level, manholes = column(city, played, "water_level", "level_m", "manhole")
    mine = np.array([sensor.zone == zone for sensor in manholes])
    assert (level[mine] >= attribute(manholes, "ground_level_m")[mine]).any()
    ids, _, values = played["rainfall"]
    assert values["rain_mm"][ids == "RF-DQ-12"].sum() > 50
    low, _ = column(city, played, "gas_pressure", "pressure_kpa", "low-pressure")
    assert (low < 1.8).mean() < 0.02


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_says_what_is_raised_and_fits_into_the_default_demo(name):
    scenario = SCENARIOS[name]
    assert "Raised" in scenario.doc
    assert max(effect.start_s + effect.ramp_s for effect in scenario.effects) <= scenario.span_s


def test_a_city_without_the_place_is_told_what_is_missing(city):
    with pytest.raises(ScenarioError, match="needs an asset of type bridge"):
        Simulator(city.sensors.values(), {}, city.kinds, seed=1, scenario=SCENARIOS["support-settles"])
    dry = [sensor for sensor in city.sensors.values() if sensor.kind != "rainfall"]
    with pytest.raises(ScenarioError, match="needs a rainfall sensor within 1200 m of UP-1; the city has none"):
        Simulator(dry, city.assets, city.kinds, seed=1, scenario=SCENARIOS["storm-and-leak"])
    with pytest.raises(ScenarioError, match="allowed: gas-leak, pipe-burst"):
        scenario_named("flood")


def test_messages_hold_what_the_batches_hold(city):
    simulator = Simulator(city.sensors.values(), city.assets, city.kinds, seed=1)
    batches = simulator.step(MIDNIGHT, MIDNIGHT + 20_000)
    for batch in batches:
        messages = list(messages_of(batch))
        assert sum(message.readings for message in messages) == len(batch)
        for message in messages:
            assert batch.fleet.sensors[message.number].sensor_id == message.sensor_id
            if isinstance(batch, Readings):
                assert len(message.items) == message.readings
                assert all(value is not None for item in message.items for value in item.values())
            else:
                (item,) = message.items
                assert len(item["strain_ue"]) == message.readings
                assert isinstance(item["temperature_c"], float)
    texts = [item["observed_at"] for b in batches for m in messages_of(b) for item in m.items]
    assert {type(text) for text in texts} == {int, str}
    assert all(text.endswith("Z") and len(text) == 24 for text in texts if isinstance(text, str))


def test_noise_is_uniform_normal_and_reproducible():
    noise, who, when = Noise(1), np.arange(1000, dtype=np.uint64), np.arange(1000)
    uniform = noise.uniform("a", who, when)
    assert abs(uniform.mean() - 0.5) < 0.03
    assert abs(np.corrcoef(uniform, noise.uniform("b", who, when))[0, 1]) < 0.1
    normal = noise.normal("a", who, when)
    assert abs(normal.mean()) < 0.1
    assert abs(normal.std() - 1) < 0.1
    assert np.array_equal(uniform[500:], Noise(1).uniform("a", who[500:], when[500:]))
    smooth = noise.smooth("a", np.zeros(1000, np.uint64), when * 1000, 60)
    assert np.abs(np.diff(smooth)).max() < 0.1
    assert smooth.min() >= -1
    assert smooth.max() <= 1
