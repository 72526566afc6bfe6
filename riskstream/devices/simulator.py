"""The simulated city: which device reports when, and what its reports look like on their way.

Same sensors, scenario, onset and seed give the same readings, however time is cut into steps. Devices behave as real
ones do: each has its own phase, one reading in a hundred is lost (never two in a row, so no gap is an alarm), one
device in a hundred has a clock up to 15 s off, four readings in a thousand arrive up to 40 s late and so out of order,
and some report more often while they measure something alarming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from riskstream.devices.fleet import Fleet, fleets_of
from riskstream.devices.models import MODELS, World, rain_rate
from riskstream.devices.noise import Flags, Floats, Ints, Noise
from riskstream.devices.scenarios import LEAD_IN_S, Disturbance, Scenario
from schemas.kinds import Kind
from schemas.registry import Asset, Sensor

LOST, SKEWED, DELAYED = 0.01, 0.01, 0.004
MAX_SKEW_MS, MAX_DELAY_MS = 15_000, 40_000
ALARM_PERIOD_MS = 60_000
RUN_MS = 1000
"""Sensors faster than once a second send their samples in runs of one second."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one kind: `sensor` indexes the fleet; values by field, NaN = not measured."""

    fleet: Fleet
    sensor: Ints
    observed_at: Ints
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.sensor)

    def take(self, which: Ints) -> Readings:
        values = {name: column[which] for name, column in self.values.items()}
        return Readings(self.fleet, self.sensor[which], self.observed_at[which], values)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of samples of one kind and rate: a row a run, each value column of shape (runs, samples)."""

    fleet: Fleet
    rate_hz: float
    sensor: Ints
    observed_at: Ints
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        """The number of samples in all runs."""
        return sum(column.size for column in list(self.values.values())[:1])


class Simulator:
    """Makes the readings of a city for any stretch of event time.

    `onset_ms` is when the scenario starts. Raises ScenarioError when the city has no place for it.
    """

    def __init__(
        self,
        sensors: Iterable[Sensor],
        assets: Mapping[str, Asset],
        kinds: Mapping[str, Kind],
        *,
        seed: int,
        scenario: Scenario | None = None,
        start_ms: int = 0,
        utc_offset_ms: int = 0,
    ) -> None:
        modelled = {name: kind for name, kind in kinds.items() if name in MODELS or name == "rainfall"}
        self.fleets = fleets_of(sensors, modelled)
        noise = Noise(seed)
        onset_ms = start_ms + round(LEAD_IN_S * 1000)
        self.disturbance = Disturbance(scenario, onset_ms, self.fleets, assets, noise) if scenario else None
        self._world = World(noise, self.disturbance, utc_offset_ms)
        self._run_every = 1
        self._stretch = 1
        self._delayed: list[tuple[Ints, Readings]] = []

    def readings_per_s(self) -> tuple[float, float]:
        """Usual readings per second of event time: of devices that send single readings, and in runs."""
        single = runs = 0.0
        for fleet in self.fleets.values():
            rates = 1000.0 / fleet.period_ms
            fast = fleet.period_ms < RUN_MS
            single += float(rates[~fast].sum()) / self._stretch
            runs += float(rates[fast].sum()) / self._run_every
        return single, runs

    def limit(self, readings_per_s: float) -> None:
        """Thin the city to about so many readings per second of event time.

        First the fast devices record one second in every n, as triggered recorders do; only if that is not enough
        do all devices report less often.
        """
        self._stretch = self._run_every = 1
        single, runs = self.readings_per_s()
        if single > 0.8 * readings_per_s:
            self._stretch = int(np.ceil(single / (0.8 * readings_per_s)))
        left = readings_per_s - single / self._stretch
        if runs > left:
            self._run_every = int(np.ceil(runs / left))

    def step(self, from_ms: int, to_ms: int, kinds: Iterable[str] | None = None) -> list[Readings | Runs]:
        """What leaves the devices in (from_ms, to_ms] of event time; only of `kinds` if given."""
        out: list[Readings | Runs] = []
        for name in self.fleets if kinds is None else kinds:
            fleet = self.fleets[name]
            out += self._runs(fleet, from_ms, to_ms)
            readings = self._hold_back(self._readings(fleet, from_ms, to_ms))
            if len(readings):
                out.append(readings)
        return out + self._arrivals(to_ms)

    def rest(self) -> list[Readings | Runs]:
        """What devices still hold back at the end."""
        return self._arrivals(np.iinfo(np.int64).max)

    def _readings(self, fleet: Fleet, from_ms: int, to_ms: int) -> Readings:
        period = fleet.period_ms * self._stretch
        alarm = _ALARMS.get(fleet.kind.name)
        rain = fleet.kind.name == "rainfall"
        grid = np.minimum(period, ALARM_PERIOD_MS) if alarm or rain else period
        every = np.maximum(period // grid, 1)
        slow = np.flatnonzero(fleet.period_ms >= RUN_MS)
        sensor, tick, at = _ticks(slow, grid, fleet, from_ms, to_ms)
        if rain:
            usual, values = self._rain(fleet, sensor, tick, at, grid, every)
        else:
            values = MODELS[fleet.kind.name](self._world, fleet, sensor, at)
            usual = _usual(fleet, sensor, tick, every)
            if alarm is not None:
                usual |= alarm(fleet, sensor, values)
        noise, who = self._world.noise, fleet.who[sensor]
        # of four usual readings in a row only one can be lost, however many ticks lie between them
        turn = np.where(_usual(fleet, sensor, tick, every), (tick + _turn(fleet, sensor)) // every[sensor], tick)
        lost = ((turn + who.astype(np.int64)) % 4 == 0) & (noise.uniform("lost", who, at) < 4 * LOST)
        kept = np.flatnonzero(usual & ~lost)
        readings = Readings(fleet, sensor, at + self._skew(fleet)[sensor], values)
        return readings.take(kept)

    def _rain(
        self, fleet: Fleet, sensor: Ints, tick: Ints, at: Ints, grid: Ints, every: Ints
    ) -> tuple[Flags, dict[str, Floats]]:
        """Rain since the last report: the rate times the time back to the last tick that was reported."""

        def reported(back: int) -> Flags:
            rate = rain_rate(self._world, fleet, sensor, at - back * grid[sensor])
            return _usual(fleet, sensor, tick - back, every) | np.greater_equal(rate, 0.5)

        ticks_since = every[sensor].copy()
        for back in range(int(every.max(initial=1)) - 1, 0, -1):
            ticks_since[reported(back)] = back
        minutes = ticks_since * grid[sensor] / 60_000
        # a tipping bucket of 0.1 mm
        rain = np.floor(rain_rate(self._world, fleet, sensor, at) * minutes * 10) / 10
        return reported(0), {"rain_mm": np.round(rain, 1)}

    def _runs(self, fleet: Fleet, from_ms: int, to_ms: int) -> list[Readings | Runs]:
        out: list[Readings | Runs] = []
        for period in np.unique(fleet.period_ms[fleet.period_ms < RUN_MS]):
            members = np.flatnonzero(fleet.period_ms == period)
            grid = np.full(len(fleet), RUN_MS * self._run_every * self._stretch, np.int64)
            sensor, _, end = _ticks(members, grid, fleet, from_ms, to_ms)
            if not len(sensor):
                continue
            samples = RUN_MS // int(period)
            # a run is sent when its last sample is there
            start = end - (samples - 1) * int(period)
            at = start[:, None] + np.arange(samples) * int(period)
            flat = MODELS[fleet.kind.name](self._world, fleet, np.repeat(sensor, samples), at.ravel())
            values = {name: column.reshape(at.shape) for name, column in flat.items()}
            skew = self._skew(fleet)[sensor]
            out.append(Runs(fleet, 1000.0 / float(period), sensor, start + skew, values))
        return out

    def _skew(self, fleet: Fleet) -> Ints:
        noise = self._world.noise
        skew = np.round((2 * noise.uniform("skew", fleet.who) - 1) * MAX_SKEW_MS).astype(np.int64)
        return np.where(noise.uniform("skewed", fleet.who) < SKEWED, skew, 0)

    def _hold_back(self, readings: Readings) -> Readings:
        noise, who, at = self._world.noise, readings.fleet.who[readings.sensor], readings.observed_at
        delayed = noise.uniform("delayed", who, at) < DELAYED
        if not delayed.any():
            return readings
        which = np.flatnonzero(delayed)
        delay = 1 + (noise.uniform("delay", who[which], at[which]) * MAX_DELAY_MS).astype(np.int64)
        self._delayed.append((at[which] + delay, readings.take(which)))
        return readings.take(np.flatnonzero(~delayed))

    def _arrivals(self, to_ms: int) -> list[Readings | Runs]:
        out: list[Readings | Runs] = []
        waiting: list[tuple[Ints, Readings]] = []
        for send_at, readings in self._delayed:
            due = send_at <= to_ms
            if due.any():
                out.append(readings.take(np.flatnonzero(due)))
            if not due.all():
                waiting.append((send_at[~due], readings.take(np.flatnonzero(~due))))
        self._delayed = waiting
        return out


def _ticks(members: Ints, grid: Ints, fleet: Fleet, from_ms: int, to_ms: int) -> tuple[Ints, Ints, Ints]:
    """Each member's ticks in (from_ms, to_ms]: sensor, number of the tick, time; in the order of time."""
    step = grid[members]
    phase = (fleet.who[members] % step.astype(np.uint64)).astype(np.int64)
    first = (from_ms - phase) // step + 1
    count = np.maximum((to_ms - phase) // step - first + 1, 0)
    sensor = np.repeat(members, count)
    offset = np.arange(len(sensor)) - np.repeat(np.cumsum(count) - count, count)
    tick = np.repeat(first, count) + offset
    at = np.repeat(phase, count) + tick * np.repeat(step, count)
    order = np.argsort(at, kind="stable")
    return sensor[order], tick[order], at[order]


def _usual(fleet: Fleet, sensor: Ints, tick: Ints, every: Ints) -> Flags:
    """Whether a tick of the fast grid is one of the device's usual ones, each device in its own turn."""
    return np.asarray((tick + _turn(fleet, sensor)) % every[sensor] == 0, np.bool_)


def _turn(fleet: Fleet, sensor: Ints) -> Ints:
    return (fleet.who[sensor] >> np.uint64(32)).astype(np.int64)


Alarm = Callable[[Fleet, Ints, Mapping[str, Floats]], Flags]


def _gas_alarm(fleet: Fleet, sensor: Ints, values: Mapping[str, Floats]) -> Flags:
    return np.greater_equal(values["methane_lel"], 10)


def _acoustic_alarm(fleet: Fleet, sensor: Ints, values: Mapping[str, Floats]) -> Flags:
    return values["noise_db"] - fleet.attribute("floor_db", 20.0)[sensor] >= 30


def _flood_alarm(fleet: Fleet, sensor: Ints, values: Mapping[str, Floats]) -> Flags:
    return values["level_m"] >= fleet.attribute("warning_m", np.inf)[sensor] - 0.5


# kinds whose devices report once a minute while this holds
_ALARMS: Mapping[str, Alarm] = {
    "gas_concentration": _gas_alarm,
    "water_leak_acoustics": _acoustic_alarm,
    "water_level": _flood_alarm,
}
