"""The real recordings, each with its trap. They are no part of the repository: RISKSTREAM_RECORDINGS names their
folder, `../shared/data` beside the repository by default; where there is none, these tests say so and skip.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from riskstream.devices.expression import column_expression, parse_expression
from riskstream.devices.player import parts_of, sample_rate_hz
from riskstream.devices.recording import Layout, join, read_recording
from schemas.kinds import load_kinds, parse_kind

FOLDER = Path(os.environ.get("RISKSTREAM_RECORDINGS") or Path(__file__).parents[4] / "shared" / "data")
KINDS = load_kinds()

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}; RISKSTREAM_RECORDINGS names their folder"
)


def at(ms) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def test_strain_at_rest_out_of_a_zip_with_dots_in_its_path():
    layout = Layout({"strain_ue": column_expression("DMS_CN (um\\m)")})
    series = read_recording(FOLDER / "bridge_strain_reference_100hz.csv.zip", KINDS["bridge_strain"], layout)
    assert len(series) == 60_000
    assert sample_rate_hz(series) == 100
    strain = series.values["strain_ue"]
    assert abs(np.median(strain) + 143) < 5
    assert sum(part.readings for part in parts_of(series, 500)) == 60_000
    assert not (FOLDER.parent / "ReferenceState").exists()


def test_the_lowering_files_are_one_series_of_11_april():
    layout = Layout(
        {"strain_ue": column_expression("DMS_CN (um/m)")}, time_format="%Y-%d-%m %H:%M:%S.%f"
    )  # fmt: skip
    first, second = (
        read_recording(FOLDER / f"bridge_strain_lowering_0{n}_100hz.csv.zip", KINDS["bridge_strain"], layout)
        for n in (1, 2)
    )
    both = join([first, second])
    assert at(both.observed_at[0]) == datetime(2022, 4, 11, 8, 49, 34, 669_000, UTC)
    assert np.all(np.diff(both.observed_at) >= 0)
    assert both.values["strain_ue"][0] < 1
    assert second.values["strain_ue"].min() > 30
    # played at full speed its oldest reading is 29 minutes old: not late, the shift can be judged
    assert (both.observed_at[-1] - both.observed_at[0]) / 1000 < KINDS["bridge_strain"].max_delay_s


def test_methane_with_header_lines_and_elapsed_seconds():
    layout = Layout(
        {"methane_lel": parse_expression("CH4vmr_ppmv/500")},
        skip_lines=13,
        time_format="elapsed",
        start_regex=r"(\d\d/\d\d/\d{4} .*)",
        start_format="%d/%m/%Y %H:%M:%S.%f",
        missing=(-65.536,),
    )
    path = FOLDER / "methane_release_02_path1.txt"
    series = read_recording(path, KINDS["gas_concentration"], layout)
    assert len(series) == 520
    assert series.skipped == 0
    assert at(series.observed_at[0]) == datetime(2017, 9, 5, 11, 26, 21, tzinfo=UTC)
    assert 0 < series.values["methane_lel"].max() < 20
    wind = Layout({"methane_lel": parse_expression("`WindX_m/s`")}, layout.skip_lines, **{
        name: getattr(layout, name) for name in ("time_format", "start_regex", "start_format", "missing")
    })  # fmt: skip
    assert read_recording(path, KINDS["gas_concentration"], wind).values["methane_lel"].min() > -60


def test_water_levels_below_zero():
    layout = Layout({"level_m": column_expression("River")})
    series = read_recording(FOLDER / "surface_water_level.csv", KINDS["water_level"], layout)
    assert at(series.observed_at[0]) == datetime(1990, 1, 2, tzinfo=UTC)
    assert (series.values["level_m"] < 0).any()
    assert sample_rate_hz(series) is None


def test_machine_temperature_as_a_kind_of_its_own():
    kind = parse_kind(
        {
            "type": "record", "name": "machine_temperature", "namespace": "riskstream.kinds", "doc": "A machine.",
            "period_s": 300, "max_delay_s": 3600, "reorder_ms": 0,
            "fields": [
                {"name": "sensor_id", "type": "string", "doc": "Id."},
                {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "Time."},
                {"name": "temperature_f", "type": "double", "doc": "Temperature.", "unit": "[degF]", "min": -100,
                 "max": 1000, "resolution": 0.001},
            ],
        },
        "machine_temperature",
    )  # fmt: skip
    layout = Layout({"temperature_f": column_expression("value")})
    series = read_recording(FOLDER / "machine_temperature.csv", kind, layout)
    assert len(series) == 22_695
    assert at(series.observed_at[0]) == datetime(2013, 12, 2, 21, 15, tzinfo=UTC)
