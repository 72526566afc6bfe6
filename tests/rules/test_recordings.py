"""The shipped rules on recordings that were measured outside this project: RISKSTREAM_RECORDINGS names their folder,
`../shared/data` beside the repository by default. Without it these tests skip; nothing else depends on it.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.core.engine import Engine
from processors.ruleset import load_rules
from schemas.batch import Batch, Mode
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Sensor, Snapshot

DATA = Path(os.environ.get("RISKSTREAM_RECORDINGS") or Path(__file__).parents[3] / "shared" / "data")
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no recordings in {DATA}; RISKSTREAM_RECORDINGS names their folder"
)

KINDS = load_kinds()
RULES = load_rules(None, KINDS)


def strain(name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times (as the file has them) and strain of a zipped recording."""
    with zipfile.ZipFile(DATA / f"{name}.csv.zip") as archive, archive.open(archive.namelist()[0]) as file:
        rows = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8")))[1:]
    times = [datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() for time, _ in rows]
    return np.rint(np.array(times) * 1000).astype(np.int64), np.array([float(value) for _, value in rows])


def play(
    kind: str, attributes: dict[str, float | str], times: NDArray[np.int64], values: NDArray[np.float64], run: int
) -> list[Signal]:
    """Signals of one sensor whose readings come in runs."""
    engine = Engine(
        KINDS[kind], RULES, Snapshot(1, {"s": Sensor("s", kind, "s", "c", "bridges", attributes=attributes)}, {}), 0
    )
    signals = []
    for start in range(0, len(times), run):
        part = slice(start, start + run)
        columns = {f.name: np.full(len(times[part]), np.nan) for f in KINDS[kind].fields}
        columns[KINDS[kind].fields[0].name] = values[part]
        count = len(times[part])
        batch = Batch(
            kind, "g", "test", Mode.LIVE, "", int(times[start]), ["s"], np.zeros(count, np.int32),
            times[part], np.zeros(count, np.bool_), columns,
        )  # fmt: skip
        signals += engine.process(batch, start, 0)
    assert engine.counts.judged == len(times)
    return signals


def test_a_bridge_at_rest_raises_nothing() -> None:
    assert play("bridge_strain", {"zero_ue": -143.0}, *strain("bridge_strain_reference_100hz"), run=100) == []


@pytest.mark.parametrize("run", [100, 1717])
def test_a_support_that_is_lowered_shifts_the_strain_during_the_second_recording(run: int) -> None:
    first, second = strain("bridge_strain_lowering_01_100hz"), strain("bridge_strain_lowering_02_100hz")
    times, values = (np.concatenate(parts) for parts in zip(first, second, strict=True))
    signals = play("bridge_strain", {"zero_ue": 0.5}, times, values, run)
    assert [(s.rule_id, s.transition, s.level) for s in signals] == [("bridge.strain.shift", "raised", Level.BLUE)]
    assert second[0][0] <= signals[0].at <= second[0][-1]
    assert signals[0].value >= 30


def test_a_methane_release_stays_far_below_the_explosive_limit() -> None:
    lines = (DATA / "methane_release_02_path1.txt").read_text(encoding="utf-8").splitlines()
    start = datetime.strptime(lines[3].strip(), "%d/%m/%Y  %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
    column = lines[13].split().index("CH4vmr_ppmv")
    rows = [line.split() for line in lines[14:] if line.strip()]
    times = np.array([round((start + float(row[0])) * 1000) for row in rows], np.int64)
    assert play("gas_concentration", {}, times, np.array([float(row[column]) / 500 for row in rows]), run=20) == []
