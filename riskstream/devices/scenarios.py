"""Named scenarios as data: what grows, where, how fast, how much; times are event time from the scenario's onset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskstream.devices.fleet import Fleet, place_of
from riskstream.devices.noise import Floats, Ints, Noise
from schemas.registry import Asset

LEAD_IN_S = 60.0
"""Quiet event time before the onset, so that windows know how it was."""


class ScenarioError(ValueError):
    """The scenario is unknown, or the city has no place for it; the message says what is needed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One quantity of one kind that a scenario changes.

    From `start_s` on the change grows linearly over `ramp_s` to `add` (in the quantity's unit) and to the factor
    `scale`. Sensors within half of `radius_m` get all of it, then ever less, none at `radius_m`; None reaches the whole
    city. Only a random `share` of the sensors is touched, the same ones for the same seed.
    """

    kind: str
    quantity: str
    start_s: float
    ramp_s: float
    add: float = 0.0
    scale: float = 1.0
    profile: str | None = None
    radius_m: float | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, around the first asset (by id) of a type, and what should be raised within `span_s`."""

    name: str
    doc: str
    centre: str
    span_s: float
    effects: tuple[Effect, ...]


def _scenarios(*scenarios: Scenario) -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in scenarios}


SCENARIOS: Mapping[str, Scenario] = _scenarios(
    Scenario(
        "gas-leak",
        "A low-pressure gas main breaks: pressure falls to a third within 5 minutes, methane rises in the manholes "
        "beside it. Raised: low gas pressure up to red, methane up to red.",
        "manhole",
        1200,
        (
            Effect("gas_pressure", "pressure", 60, 300, scale=0.3, profile="low-pressure", radius_m=200),
            Effect("gas_concentration", "methane", 120, 480, add=70, radius_m=150),
        ),
    ),
    Scenario(
        "pipe-burst",
        "A water main bursts: pressure falls to a quarter within 2 minutes, the loggers hear it, the inlet's flow "
        "nearly doubles, water stands on the road. Raised: low service pressure up to red, water on the road up to "
        "orange; leak acoustics and night flow only when it is played at night, for two nights.",
        "water_pipe",
        1200,
        (
            Effect("water_network", "pressure", 60, 120, scale=0.25, radius_m=300),
            Effect("water_network", "flow", 60, 120, scale=1.9, profile="inlet", radius_m=700),
            Effect("water_leak_acoustics", "noise", 60, 30, add=45, radius_m=250),
            Effect("water_leak_acoustics", "spread", 60, 30, scale=0.2, radius_m=250),
            Effect("water_level", "depth", 180, 480, add=0.24, profile="road", radius_m=200),
        ),
    ),
    Scenario(
        "support-settles",
        "A bridge support settles: strain near mid-span moves by 105 µε within 5 minutes and stays. Raised: strain "
        "shift blue, yellow, orange as the 10-minute mean follows; nothing at the ends of the bridge.",
        "bridge",
        1200,
        (Effect("bridge_strain", "strain", 60, 300, add=105, radius_m=140),),
    ),
    Scenario(
        "storm",
        "A cloudburst over the whole city: 4 mm a minute, a third of the underpasses and a fifth of the manholes fill, "
        "the river rises 3 m. Raised: rain up to orange, underpass depth up to red, manholes up to red, "
        "river up to yellow.",
        "underpass",
        1200,
        (
            Effect("rainfall", "rate", 0, 60, add=4.0),
            Effect("water_level", "depth", 120, 720, add=0.32, profile="underpass", share=0.35),
            Effect("water_level", "depth", 180, 720, add=0.09, profile="road"),
            Effect("water_level", "fill", 120, 840, add=1.1, profile="manhole", share=0.2),
            Effect("water_level", "stage", 60, 1080, add=3.0, profile="river"),
        ),
    ),
    Scenario(
        "storm-and-leak",
        "A cloudburst over one quarter floods an underpass while the low-pressure gas main beside it leaks into the "
        "manholes. Raised around that underpass: rain up to orange, depth and manhole level up to red, low gas "
        "pressure up to red, methane up to red; together the couplings of gas in a flooded chamber and of an underpass "
        "in a storm.",
        "underpass",
        1200,
        (
            Effect("rainfall", "rate", 0, 60, add=4.5, radius_m=1200),
            Effect("water_level", "depth", 120, 600, add=0.32, profile="underpass", radius_m=300),
            Effect("water_level", "depth", 180, 600, add=0.13, profile="road", radius_m=300),
            Effect("water_level", "fill", 120, 720, add=1.1, profile="manhole", radius_m=300),
            Effect("gas_pressure", "pressure", 240, 300, scale=0.3, profile="low-pressure", radius_m=200),
            Effect("gas_concentration", "methane", 300, 480, add=65, radius_m=200),
        ),
    ),
)


def scenario_named(name: str) -> Scenario:
    """Raises ScenarioError naming what is allowed."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise ScenarioError(f"unknown scenario {name!r}; allowed: {', '.join(SCENARIOS)}") from None


class Disturbance:
    """A scenario placed in a city: what it adds to and multiplies each quantity by, for a sensor at a time."""

    def __init__(
        self,
        scenario: Scenario,
        onset_ms: int,
        fleets: Mapping[str, Fleet],
        assets: Mapping[str, Asset],
        noise: Noise,
    ) -> None:
        """Raises ScenarioError when the city has no such place, or no sensor near it that an effect reaches."""
        self._onset_ms = onset_ms
        self.centre_asset = ""
        self._placed: dict[tuple[str, str], list[tuple[Effect, Floats]]] = {}
        lat, lon = self._find(scenario, assets)
        for number, effect in enumerate(scenario.effects):
            weights = self._weights(scenario, number, effect, fleets.get(effect.kind), (lat, lon), noise)
            self._placed.setdefault((effect.kind, effect.quantity), []).append((effect, weights))

    def of(self, kind: str, quantity: str, sensor: Ints, at_ms: Ints) -> tuple[Floats, Floats]:
        """What is added, and the factor, for each (sensor, time)."""
        added, factor = np.zeros(len(sensor)), np.ones(len(sensor))
        for effect, weights in self._placed.get((kind, quantity), ()):
            since_s = (at_ms - self._onset_ms) / 1000 - effect.start_s
            part = weights[sensor] * np.clip(since_s / effect.ramp_s, 0, 1)
            added += effect.add * part
            factor *= 1 + (effect.scale - 1) * part
        return added, factor

    def _find(self, scenario: Scenario, assets: Mapping[str, Asset]) -> tuple[float, float]:
        for asset_id in sorted(assets):
            if assets[asset_id].type == scenario.centre and (place := place_of(assets[asset_id])):
                self.centre_asset = asset_id
                return place
        raise ScenarioError(f"{scenario.name} needs an asset of type {scenario.centre} with a geometry")

    def _weights(
        self,
        scenario: Scenario,
        number: int,
        effect: Effect,
        fleet: Fleet | None,
        centre: tuple[float, float],
        noise: Noise,
    ) -> Floats:
        weights = np.zeros(0)
        if fleet is not None:
            weights = np.ones(len(fleet))
            if effect.radius_m is not None:
                weights = np.clip(2 - 2 * fleet.distance_m(*centre) / effect.radius_m, 0, 1)
            if effect.profile is not None:
                weights = weights * (fleet.profile == effect.profile)
            weights = weights * (noise.uniform(f"{scenario.name} {number}", fleet.who) < effect.share)
        if not weights.any():
            profile = f" of profile {effect.profile}" if effect.profile else ""
            within = f" within {effect.radius_m:g} m of {self.centre_asset}" if effect.radius_m else ""
            raise ScenarioError(f"{scenario.name} needs a {effect.kind} sensor{profile}{within}; the city has none")
        return weights
