"""Plays the simulated city: event time runs `speed` times faster than the clock and ends at now.

A gateway rejects what lies ahead of its clock and calls late what is older than the kind's `max_delay_s`. So a play of
`duration_s` starts duration_s × (speed − 1) ago, its event time catches up with the clock, and both meet at the end:
nothing is ever in the future. Devices of a kind join once their readings are young enough (90 % of `max_delay_s`), so
nothing is late either: at the defaults (60 s, ×20) the oldest is 19 minutes old. What a scenario needs is given in
event time; without `speed` it is chosen so that the scenario fits into the duration.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from riskstream.devices.counts import Counts
from riskstream.devices.http import HttpTransport
from riskstream.devices.messages import messages_of
from riskstream.devices.mqtt import MqttTransport
from riskstream.devices.noise import key_of
from riskstream.devices.scenarios import LEAD_IN_S, scenario_named
from riskstream.devices.simulator import MAX_DELAY_MS, MAX_SKEW_MS, Readings, Runs, Simulator
from riskstream.devices.transport import Endpoints, Transport, TransportError
from schemas.batch import Mode
from schemas.kinds import Kind
from schemas.registry import Asset, Sensor

VIA = ("mqtt", "http")
HTTP_SHARE = 50
"""Per cent of the sensors that report over HTTP when both ways are used."""
STEP_S, FAST_STEP_S = 0.2, 1.0
"""How often devices send, on the clock: at high speed rarer, with several readings a message. A broker that keeps
its queue on disk takes messages by the thousand a second, not readings."""
DEFAULT_RATE = 4000.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the play is."""

    elapsed_s: float
    duration_s: float
    counts: Counts


def default_speed(scenario: str | None, duration_s: float) -> float:
    """The speed at which a scenario fits into the duration; 1 without a scenario. Raises ScenarioError."""
    if scenario is None:
        return 1.0
    return max(1.0, (scenario_named(scenario).span_s + LEAD_IN_S) / duration_s)


def play(
    sensors: Iterable[Sensor],
    assets: Mapping[str, Asset],
    kinds: Mapping[str, Kind],
    endpoints: Endpoints,
    *,
    scenario: str | None = None,
    duration_s: float = 60,
    speed: float | None = None,
    seed: int = 7,
    via: Collection[str] = VIA,
    rate: float = DEFAULT_RATE,
    utc_offset_s: int = 0,
    mode: Mode | None = None,
    run_id: str = "",
    on_progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Counts:
    """Play the city and return what became of every reading.

    Sends at most about `rate` readings a second (the city is thinned to it). `stop` ends the play early, counted
    exactly all the same. What runs faster than the clock is an exercise unless `mode` says otherwise: its event times
    overlap those of other plays, and an exercise has windows and alerts of its own. Raises ScenarioError (unknown, or
    no place for it in this city) and TransportError.
    """
    chosen = None if scenario is None else scenario_named(scenario)
    if speed is None:
        speed = default_speed(scenario, duration_s)
    stop = stop or threading.Event()
    step_s = STEP_S if speed < 5 else FAST_STEP_S
    began, clock = time.time(), time.monotonic()
    end_ms = round((began + duration_s) * 1000)
    start_ms = end_ms - round(duration_s * speed * 1000)
    simulator = Simulator(
        sensors, assets, kinds, seed=seed, scenario=chosen, start_ms=start_ms, utc_offset_ms=utc_offset_s * 1000
    )
    simulator.limit(rate / speed)
    if mode is None:
        mode = Mode.EXERCISE if speed > 1 else Mode.LIVE
    if mode is not Mode.LIVE and not run_id:
        run_id = f"{scenario or 'city'}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(began))}"
    transports = _transports(via, endpoints, mode, run_id, seed)
    counts = Counts({name: transport.counts for name, transport in transports.items()})
    try:
        at_ms = start_ms
        while at_ms < end_ms and not stop.is_set():
            elapsed = time.monotonic() - clock
            if at_ms > start_ms and elapsed < duration_s:
                stop.wait(min(step_s - elapsed % step_s, duration_s - elapsed))
                elapsed = time.monotonic() - clock
            to_ms = min(end_ms, start_ms + round(elapsed * speed * 1000))
            if to_ms > at_ms:
                young = _young_enough(simulator, at_ms, time.time())
                _send(simulator.step(at_ms, to_ms, young), transports)
                at_ms = to_ms
            if on_progress:
                on_progress(Progress(min(elapsed, duration_s), duration_s, counts))
        _send(simulator.rest(), transports)
    finally:
        _finish(transports.values())
    if on_progress:
        on_progress(Progress(duration_s, duration_s, counts))
    return counts


def _young_enough(simulator: Simulator, at_ms: int, now: float) -> list[str]:
    """The kinds whose readings of this moment are not late, be they delayed and their clock behind."""
    age_ms = now * 1000 - at_ms + MAX_SKEW_MS + MAX_DELAY_MS
    return [name for name, fleet in simulator.fleets.items() if age_ms <= 900 * fleet.kind.max_delay_s]


def _transports(via: Collection[str], endpoints: Endpoints, mode: Mode, run_id: str, seed: int) -> dict[str, Transport]:
    transports: dict[str, Transport] = {}
    try:
        if "mqtt" in via:
            client_id = f"riskstream-simulator-{key_of(f'{time.time_ns()} {seed}'):x}"
            transports["mqtt"] = MqttTransport(endpoints, client_id=client_id, mode=mode, run_id=run_id)
        if "http" in via:
            headers = {"Riskstream-Mode": mode.value, "Riskstream-Run-Id": run_id}
            transports["http"] = HttpTransport(endpoints, headers=headers)
    except TransportError:
        _finish(transports.values())
        raise
    return transports


def _send(batches: Iterable[Readings | Runs], transports: Mapping[str, Transport]) -> None:
    names = list(transports)
    for batch in batches:
        over_http = (batch.fleet.who % 100 < HTTP_SHARE).tolist() if len(names) == 2 else None
        for message in messages_of(batch):
            name = names[0] if over_http is None else VIA[over_http[message.number]]
            transports[name].put(message.kind, message.sensor_id, message.items, message.readings)
    for transport in transports.values():
        transport.flush()


def _finish(transports: Iterable[Transport], timeout_s: float = 30) -> None:
    failure: TransportError | None = None
    for transport in transports:
        try:
            transport.finish(timeout_s)
        except TransportError as error:
            failure = error
    if failure is not None:
        raise failure
