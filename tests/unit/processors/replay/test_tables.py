"""CSV and Parquet files to records of a log."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from processors.replay.tables import FileLog, TableError, rows_of
from schemas.log import LogRecord
from schemas.registry import Sensor, Snapshot
from tests.unit.processors.replay.bench import KINDS, REGISTRY, SENSORS, START

RAIN = Sensor("rf-1", "rainfall", "Rain", "city/north", "flood")
BOTH = Snapshot(1, {**SENSORS, "rf-1": RAIN}, {})
CSV = """sensor_id,observed_at,pressure_kpa,rain_mm,note
gp-1,2026-07-01T00:00:00Z,2.0,,x
rf-1,2026-07-01T00:00:01Z,,0.5,
gp-2,2026-07-01T00:00:02.5Z,2.1,,
gp-1,2026-06-30T23:59:00Z,1.9,,
new,2026-07-01T00:00:04Z,1.0,,
"""
T0 = 1_782_864_000_000


def write(path: Path, text: str = CSV) -> Path:
    path.write_text(text)
    return path


def read(path: Path, registry: Snapshot = BOTH, kind: str | None = None, **more: bool) -> list[LogRecord]:
    return list(FileLog(KINDS, registry, kind, **more).records(path))


def rows(record: LogRecord, field: str) -> list[tuple[str, int, float]]:
    batch = record.batch
    whose = [batch.sensor_ids[number] for number in batch.sensor]
    return list(zip(whose, batch.observed_at.tolist(), batch.values[field].tolist(), strict=True))


def test_each_sensor_has_the_kind_that_the_registry_says(tmp_path: Path) -> None:
    path = write(tmp_path / "readings.csv")
    log = FileLog(KINDS, BOTH)
    gas, rain = log.records(path)
    assert (gas.kind, rain.kind) == ("gas_pressure", "rainfall")
    assert rows(gas, "pressure_kpa") == [("gp-1", T0, 2.0), ("gp-2", T0 + 2500, 2.1), ("gp-1", T0 - 60_000, 1.9)]
    assert rows(rain, "rain_mm") == [("rf-1", T0 + 1000, 0.5)]
    assert np.isnan(gas.batch.values["flow_m3h"]).all()
    assert not gas.batch.late.any()
    assert (gas.log_time, gas.offset, gas.batch.registry_version) == (T0 + 2500, 0, 1)
    assert (log.rows, log.unknown) == (5, 1)


def test_gzip_parquet_and_other_forms_of_time_give_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.csv")
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    numbers = write(
        tmp_path / "c.csv",
        f"sensor_id,observed_at,pressure_kpa,rain_mm\ngp-1,{T0},2,\nrf-1,{T0 + 1000},,0.5\ngp-2,{T0 + 2500},2.1,\n"
        f"gp-1,{T0 - 60_000},1.9,\nnew,{T0 + 4000},1,\n",
    )
    naive = write(tmp_path / "d.csv", CSV.replace("Z,", ","))
    table = pa.table(
        {
            "sensor_id": ["gp-1", "rf-1", "gp-2", "gp-1", "new"],
            "observed_at": pa.array(
                [(T0 + ms) * 1000 for ms in (0, 1000, 2500, -60_000, 4000)], pa.timestamp("us", "Asia/Shanghai")
            ),
            "pressure_kpa": pa.array([2.0, None, 2.1, 1.9, 1.0], pa.float32()).cast(pa.float64()),
            "rain_mm": [None, 0.5, None, None, None],
        }
    )
    parquet = tmp_path / "e.parquet"
    pyarrow.parquet.write_table(table, parquet)
    assert (rows_of(parquet), rows_of(plain)) == (5, None)
    wanted = read(plain)
    for path in (packed, numbers, naive, parquet):
        got = read(path)
        assert [one.kind for one in got] == ["gas_pressure", "rainfall"]
        for one, other in zip(got, wanted, strict=True):
            assert np.array_equal(one.batch.observed_at, other.batch.observed_at)
            name = "rain_mm" if one.kind == "rainfall" else "pressure_kpa"
            assert [r[0] for r in rows(one, name)] == [r[0] for r in rows(other, name)]
            assert np.allclose(one.batch.values[name], other.batch.values[name], rtol=1e-6)


def test_with_a_kind_every_row_is_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "sensor_id,observed_at,pressure_kpa\nnew,2026-07-01T00:00:00Z,1\n")
    (record,) = read(path, kind="gas_pressure")
    assert record.batch.sensor_ids == ["new"]


def test_received_at_decides_what_is_late(tmp_path: Path) -> None:
    text = "sensor_id,observed_at,received_at,pressure_kpa\n"
    delay = round(KINDS["gas_pressure"].max_delay_s * 1000)
    for ms in (delay, delay + 1):
        text += f"gp-1,{T0 - ms},{T0},2\n"
    (record,) = read(write(tmp_path / "r.csv", text))
    assert record.batch.late.tolist() == [False, True]
    assert record.log_time == T0


def test_no_record_spans_more_log_time_than_half_a_period(tmp_path: Path) -> None:
    lines = "".join(f"gp-1,{START + 4000 * step},2\n" for step in range(10))
    path = write(tmp_path / "r.csv", f"sensor_id,observed_at,pressure_kpa\n{lines}")
    assert len(read(path)) == 1
    records = read(path, cut=True)
    assert sum(len(record.batch) for record in records) == 10
    assert all(record.batch.observed_at[0] // 10_000 == record.batch.observed_at[-1] // 10_000 for record in records)
    assert [record.offset for record in records] == list(range(len(records)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sensor_id,observed_at\ngp-1,2026-07-01T00:00:00Z\n", "gas_pressure needs the column pressure_kpa; columns:"),
        ("sensor_id,pressure_kpa\ngp-1,2\n", "no column observed_at; columns: sensor_id, pressure_kpa"),
        ("observed_at,pressure_kpa\n2026-07-01T00:00:00Z,2\n", "no column sensor_id; columns:"),
        ("sensor_id,observed_at,pressure_kpa\ngp-1,2026-07-01T00:00:00Z,2\ngp-1,2026-07-01T00:00:00Z,\n",
         "row 2 of the data: gas_pressure needs a value of pressure_kpa"),
        ("sensor_id,observed_at,pressure_kpa\ngp-1,2026-07-01T00:00:00Z,much\n", "much"),
        ("sensor_id,observed_at,pressure_kpa\ngp-1,,2\n", "row 1 of the data has no observed_at"),
        ("sensor_id,observed_at,pressure_kpa\n", "no rows after the line of column names"),
        ("", "no rows"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "wrong.csv", text)
    with pytest.raises(TableError, match=f"wrong.csv: .*{message}"):
        read(path, REGISTRY)
