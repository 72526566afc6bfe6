"""Readings a second that replay judges on one core from Parquet, with the shipped rules: reading the file included.

python bench/replay_speed.py [--readings 4000000] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from processors.replay.play import Player, Standards
from processors.replay.tables import FileLog
from processors.standard_files import load_standard
from schemas.kinds import load_kinds
from schemas.registry import Sensor, Snapshot

T0 = 1_767_225_600_000
KINDS = load_kinds()


def write(path: Path, kind: str, sensors: int, period_ms: int, readings: int, level: float, spread: float) -> None:
    """A file in the order of time: each sensor reports once a period."""
    pa.set_cpu_count(1)
    number = np.arange(readings)
    ids = pa.DictionaryArray.from_arrays(
        pa.array((number % sensors).astype(np.int32)), [f"s{i}" for i in range(sensors)]
    )
    times = T0 + number // sensors * period_ms + (number % sensors) * period_ms // sensors
    values = np.round(level + spread * np.random.default_rng(1).standard_normal(readings), 3)
    table = pa.table(
        {
            "sensor_id": ids,
            "observed_at": pa.array(times, pa.timestamp("ms", "UTC")),
            KINDS[kind].fields[0].name: values,
        }
    )
    pyarrow.parquet.write_table(table, path)


def measure(folder: Path, kind: str, profile: str, sensors: int, period_ms: int, readings: int, level: float,
            spread: float) -> None:  # fmt: skip
    path = folder / f"{kind}-{sensors}.parquet"
    write(path, kind, sensors, period_ms, readings, level, spread)
    attributes = {"period_s": period_ms / 1000, "zero_ue": 0.0, "design_strain_ue": 400.0}
    registry = Snapshot(
        1,
        {
            f"s{i}": Sensor(f"s{i}", kind, "", "c/d", "gas", profile=profile, attributes=attributes)
            for i in range(sensors)
        },
        {},
    )
    player = Player(KINDS, Standards(load_standard(None, KINDS)), lambda version: registry)
    log = FileLog(KINDS, registry, cut=True)
    started, signals = time.process_time(), 0
    for record in log.records(path):
        signals += len(player.take(record))
    used = time.process_time() - started
    label = f"{kind}, {sensors:,} sensors, every {period_ms / 1000:g} s"
    print(f"{label:55} {readings / used:12,.0f} readings/s of CPU, {signals} signals")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=4_000_000)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    with tempfile.TemporaryDirectory() as name:
        n, folder = options.readings, Path(name)
        measure(folder, "gas_pressure", "low-pressure", 2_000, 1_000, n, 2.1, 0.02)
        measure(folder, "gas_pressure", "low-pressure", 2_000, 60_000, n, 2.1, 0.02)
        measure(folder, "gas_pressure", "low-pressure", 50_000, 60_000, n, 2.1, 0.02)
        measure(folder, "water_level", "underpass", 2_000, 60_000, n, 0.02, 0.001)
        measure(folder, "bridge_strain", "", 50, 10, n, 0.0, 2.0)
    if options.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
