"""What each kind of sensor reads in the city at a time: pure functions of (sensor, time, seed, scenario).

Undisturbed values keep a clear distance from the shipped thresholds. A model gets the columns `sensor` (index into its
fleet) and `at_ms` (UTC epoch), and returns each field of the kind as a column, NaN where nothing is measured. Values
are rounded to what such an instrument resolves, never finer than the kind's resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from riskstream.devices.fleet import Fleet
from riskstream.devices.noise import Floats, Ints, Noise
from riskstream.devices.scenarios import Disturbance

DAY_MS = 86_400_000
TIDE_MS = 44_714_164  # the principal lunar tide, 12.42 h
TRUCK_SLOT_MS = 5_000


@dataclass(frozen=True, slots=True)
class World:
    """What all models share. `utc_offset_ms` makes the city's local time of day."""

    noise: Noise
    disturbance: Disturbance | None
    utc_offset_ms: int

    def hour(self, at_ms: Ints) -> Floats:
        """Local time of day in hours."""
        return ((at_ms + self.utc_offset_ms) % DAY_MS) / 3_600_000

    def disturbed(self, fleet: Fleet, quantity: str, sensor: Ints, at_ms: Ints) -> tuple[Floats, Floats]:
        """What the scenario adds, and its factor."""
        if self.disturbance is None:
            return np.zeros(len(sensor)), np.ones(len(sensor))
        return self.disturbance.of(fleet.kind.name, quantity, sensor, at_ms)


def demand(hour: Floats) -> Floats:
    """Gas and water demand over the day, 0 to 1: little at night, peaks in the morning, at noon and in the evening."""
    return 0.15 + 0.55 * _bump(hour, 7, 1.3) + 0.4 * _bump(hour, 12, 1.2) + 0.8 * _bump(hour, 18.5, 2.0)


def activity(hour: Floats) -> Floats:
    """Traffic and street noise over the day, 0 (02:00 to 04:00) to 1."""
    return np.clip(1.15 * (_bump(hour, 9, 3.2) + _bump(hour, 17, 3.2)), 0, 1) * (1 - 0.97 * _bump(hour, 3, 1.6))


def air_c(world: World, at_ms: Ints) -> Floats:
    """Air temperature, coolest at 04:00 and warmest at 16:00."""
    city = np.full(len(at_ms), 1, np.uint64)
    return 18 - 5 * np.cos(2 * np.pi * (world.hour(at_ms) - 4) / 24) + world.noise.smooth("air", city, at_ms, 7200)


def gas_pressure(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """Low pressure 1.93 to 2.1 kPa about its nominal 2.0; at regulators 3 % less at full demand, with flow."""
    noise, who = world.noise, fleet.who[sensor]
    load = demand(world.hour(at_ms))
    low = fleet.profile[sensor] != "medium-pressure"
    nominal = fleet.attribute("nominal_kpa", 2.0)[sensor]
    swing = np.where(low, 0.04 - 0.07 * load, 0.005 - 0.03 * load)
    wander = 0.006 * noise.smooth("gas", who, at_ms, 600) + 0.003 * noise.normal("gas", who, at_ms)
    _, factor = world.disturbed(fleet, "pressure", sensor, at_ms)
    flow = fleet.attribute("flow_max_m3h", np.nan)[sensor] * load * (1 + 0.01 * noise.normal("flow", who, at_ms))
    return {
        "pressure_kpa": _round(nominal * (1 + swing + wander) * factor, 3),
        "flow_m3h": _round(flow, 1),
        "temperature_c": _round(12 + 0.2 * (air_c(world, at_ms) - 18), 1),
    }


def gas_concentration(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """Sewer air: under 3 %LEL."""
    noise, who = world.noise, fleet.who[sensor]
    added, _ = world.disturbed(fleet, "methane", sensor, at_ms)
    quiet = 1.0 + 0.7 * noise.smooth("methane", who, at_ms, 3600) + 0.15 * noise.normal("methane", who, at_ms)
    return {"methane_lel": _round(np.maximum(quiet, 0) + added * (1 + 0.01 * noise.normal("leak", who, at_ms)), 1)}


def water_leak_acoustics(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """Street noise over the logger's floor: 16 dB by day, 2 dB at night."""
    noise, who = world.noise, fleet.who[sensor]
    busy = activity(world.hour(at_ms))
    added, _ = world.disturbed(fleet, "noise", sensor, at_ms)
    _, narrow = world.disturbed(fleet, "spread", sensor, at_ms)
    floor = fleet.attribute("floor_db", 20.0)[sensor]
    spread = (5 + 11 * busy + 0.8 * noise.normal("spread", who, at_ms)) * narrow
    return {
        "noise_db": _round(floor + 2 + 14 * busy + 1.2 * noise.normal("noise", who, at_ms) + added, 1),
        "dominant_hz": _round(np.where(added > 10, 430, 90) + 15 * noise.normal("dominant", who, at_ms), 0),
        "spread_db": _round(np.maximum(spread, 0.5), 1),
    }


def water_network(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """Service pressure 320 to 390 kPa, lowest at full demand; flow only at the inlets of water districts."""
    noise, who = world.noise, fleet.who[sensor]
    load = demand(world.hour(at_ms))
    _, pressure_factor = world.disturbed(fleet, "pressure", sensor, at_ms)
    _, flow_factor = world.disturbed(fleet, "flow", sensor, at_ms)
    wander = 5 * noise.smooth("water", who, at_ms, 900) + 1.5 * noise.normal("water", who, at_ms)
    flow = fleet.attribute("flow_mean_m3h", np.nan)[sensor] * (0.35 + 1.3 * load)
    return {
        "pressure_kpa": _round((385 - 45 * load + wander) * pressure_factor, 1),
        "flow_m3h": _round(flow * flow_factor * (1 + 0.01 * noise.normal("inlet", who, at_ms)), 1),
    }


def bridge_strain(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """The gauge's zero, its share of temperature, passing trucks and 0.6 µε of noise.

    Trucks pass in slots of 5 s, on average 4 µε; every gauge of a bridge sees the same truck, each in its own measure.
    """
    noise, who = world.noise, fleet.who[sensor]
    bridge = fleet.asset[sensor]
    member_c = 18 + 0.6 * (air_c(world, at_ms - 2 * 3_600_000) - 18)
    thermal = fleet.attribute("alpha_ue_per_c", 0.0)[sensor] * (
        np.round(member_c, 1) - fleet.attribute("reference_c", 20.0)[sensor]
    )
    slot, rest = np.divmod(at_ms, TRUCK_SLOT_MS)
    weight = noise.uniform("weight", bridge, slot)
    passing = noise.uniform("truck", bridge, slot) < 0.05 + 0.25 * activity(world.hour(at_ms))
    truck = passing * (10 + 45 * weight) * np.sin(np.pi * rest / TRUCK_SLOT_MS) ** 2
    added, _ = world.disturbed(fleet, "strain", sensor, at_ms)
    strain = (
        fleet.attribute("zero_ue", 0.0)[sensor] + thermal + truck * (0.3 + 0.7 * noise.uniform("gauge", who))
        + 1.5 * noise.smooth("wander", who, at_ms, 1200) + 0.6 * noise.normal("strain", who, at_ms) + added
    )  # fmt: skip
    return {"strain_ue": _round(strain, 1), "temperature_c": _round(member_c, 1)}


def water_level(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> dict[str, Floats]:
    """Underpass and road: dry but for a few mm. Manhole: up to 13 % full.

    River: a tide of 0.35 m about its normal level.
    """
    noise, who, profile = world.noise, fleet.who[sensor], fleet.profile[sensor]
    depth, _ = world.disturbed(fleet, "depth", sensor, at_ms)
    dry = np.abs(0.0015 * noise.normal("depth", who, at_ms)) + depth

    filled, _ = world.disturbed(fleet, "fill", sensor, at_ms)
    fill = 0.05 + 0.05 * demand(world.hour(at_ms)) + 0.01 * noise.smooth("fill", who, at_ms, 1200) + filled
    invert = fleet.attribute("invert_m", 0.0)[sensor]
    ground = fleet.attribute("ground_level_m", 3.0)[sensor]
    # an overflowing manhole spreads over the street instead of rising on
    manhole = np.minimum(invert + fill * (ground - invert), ground + 0.15)

    risen, _ = world.disturbed(fleet, "stage", sensor, at_ms)
    tide = 0.35 * np.sin(2 * np.pi * at_ms / TIDE_MS)
    river = fleet.attribute("normal_m", 0.0)[sensor] + tide + 0.05 * noise.smooth("river", who, at_ms, 3600) + risen
    jitter = 0.003 * noise.normal("level", who, at_ms)
    level = np.where(profile == "river", river + jitter, np.where(profile == "manhole", manhole + jitter, dry))
    return {"level_m": _round(level, 3)}


def rain_rate(world: World, fleet: Fleet, sensor: Ints, at_ms: Ints) -> Floats:
    """Rain in mm a minute: dry, or a drizzle of at most 0.05."""
    added, _ = world.disturbed(fleet, "rate", sensor, at_ms)
    drizzle = 0.1 * np.maximum(world.noise.smooth("rain", fleet.who[sensor], at_ms, 5400) - 0.5, 0)
    gusts = 1 + 0.15 * world.noise.smooth("gusts", fleet.who[sensor], at_ms, 180)
    return drizzle + added * gusts


MODELS: Mapping[str, Callable[[World, Fleet, Ints, Ints], dict[str, Floats]]] = {
    "gas_pressure": gas_pressure,
    "gas_concentration": gas_concentration,
    "water_leak_acoustics": water_leak_acoustics,
    "water_network": water_network,
    "bridge_strain": bridge_strain,
    "water_level": water_level,
}


def _round(values: Floats, decimals: int) -> Floats:
    return np.asarray(np.round(values, decimals), np.float64)


def _bump(hour: Floats, middle: float, width: float) -> Floats:
    """A bell around an hour of the day, over midnight too."""
    away = np.abs(hour - middle)
    return np.asarray(np.exp(-((np.minimum(away, 24 - away) / width) ** 2)), np.float64)
