"""Readings a second that the rule core judges on one core, with the shipped rules, without Kafka and decoding.

python bench/core_speed.py [--seconds 3] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np

from processors.core.engine import Engine
from processors.ruleset import load_rules
from schemas.batch import Batch, Mode
from schemas.kinds import Kind, load_kinds
from schemas.registry import Sensor, Snapshot

T0 = 1_767_225_600_000


def registry(kind: str, sensors: int, profile: str, period_s: float) -> Snapshot:
    attributes = {"period_s": period_s, "zero_ue": 0.0, "design_strain_ue": 400.0}
    return Snapshot(
        1,
        {
            f"s{i}": Sensor(f"s{i}", kind, "", "c/d", "gas", profile=profile, attributes=attributes)
            for i in range(sensors)
        },
        {},
    )


def batches(
    kind: Kind, sensors: int, size: int, run: int, period_ms: int, level: float, spread: float
) -> Iterator[Batch]:
    """Batches of `size` readings for ever: runs of `run` samples of one sensor after another, a period apart."""
    random = np.random.default_rng(1)
    times = np.zeros(sensors, np.int64) + T0
    place = 0
    while True:
        chosen = (place + np.arange(max(1, size // run))) % sensors
        place += len(chosen)
        count = len(chosen) * run
        observed = (times[chosen][:, None] + np.arange(run) * period_ms).ravel()
        times[chosen] += run * period_ms
        values = {f.name: np.full(count, np.nan) for f in kind.fields}
        values[kind.fields[0].name] = level + spread * random.standard_normal(count)
        yield Batch(
            kind.name, "bench", "bench", Mode.LIVE, "", int(observed[0]), [f"s{i}" for i in chosen],
            np.repeat(np.arange(len(chosen), dtype=np.int32), run), observed, np.zeros(count, np.bool_), values,
        )  # fmt: skip


def measure(name: str, sensors: int, size: int, run: int, period_ms: int, profile: str, level: float, spread: float,
            seconds: float, only: str = "") -> None:  # fmt: skip
    kind = load_kinds()[name]
    rules = load_rules(None, load_kinds())
    engine = Engine(kind, rules, registry(name, sensors, profile, period_ms / 1000), 0)
    stream = batches(kind, sensors, size, run, period_ms, level, spread)
    warm = -(-sensors * 70 // size) if run == 1 else 200
    for batch in islice(stream, warm):  # past the first sight of sensors, and windows full
        engine.process(batch, 0, 0)
    made = list(islice(stream, 500))
    done, used, signals = 0, 0.0, 0
    while used < seconds:
        started = time.process_time()
        for offset, batch in enumerate(made):
            signals += len(engine.process(batch, offset, 0))
            done += len(batch)
        used += time.process_time() - started
        made = list(islice(stream, 500))
    label = f"{name}, {sensors} sensors, batches of {size}" + (f", runs of {run}" if run > 1 else "") + only
    print(f"{label:80} {done / used:12,.0f} readings/s of CPU, {signals} signals")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    s = options.seconds
    measure("gas_pressure", 2000, 500, 1, 1000, "low-pressure", 2.1, 0.02, s, ", every 1 s")
    measure("gas_pressure", 2000, 2000, 1, 1000, "low-pressure", 2.1, 0.02, s, ", every 1 s")
    measure("gas_pressure", 2000, 500, 1, 60_000, "low-pressure", 2.1, 0.02, s, ", every 60 s")
    measure("gas_pressure", 100_000, 2000, 1, 60_000, "low-pressure", 2.1, 0.02, s, ", every 60 s")
    measure("gas_pressure", 2000, 500, 1, 60_000, "low-pressure", 1.75, 0.1, s, ", every 60 s, all at a threshold")
    measure("water_level", 2000, 500, 1, 60_000, "underpass", 0.02, 0.001, s)
    measure("bridge_strain", 50, 2000, 100, 10, "", 0.0, 2.0, s)
    if options.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
