"""The traps of real recordings, on small texts made for it; the recordings themselves are in test_recorded_files."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from riskstream.devices.archive import RecordingError
from riskstream.devices.expression import column_expression, parse_expression
from riskstream.devices.recording import Layout, join, parse_recording
from schemas.kinds import load_kinds

KINDS = load_kinds()
PATH = Path("r.csv")
STRAIN = {"strain_ue": column_expression("DMS_CN (um\\m)")}
METHANE = {"methane_lel": parse_expression("CH4_ppmv/500")}
RELEASE = """Processed file
Time stamp for record start
05/09/2017  11:26:21.0000
*** data ***
Elapsed_sec Wind_m/s CH4_ppmv
   0.00000   -65.536   500.0
   2.9999837  -1.5     1000.0
   6.0000077  0.5     -65.536
"""


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def parse(text: str, kind: str = "bridge_strain", **layout):
    return parse_recording(text, PATH, KINDS[kind], Layout(**layout))


def test_a_column_name_with_a_backslash_and_iso_times():
    series = parse(
        "Time (-),DMS_CN (um\\m)\n2022-03-07 16:35:15.601,-145.4\n2022-03-07 16:35:15.611,-144.8\n", fields=STRAIN
    )
    assert series.observed_at.tolist() == [ms("2022-03-07 16:35:15.601"), ms("2022-03-07 16:35:15.611")]
    assert series.values["strain_ue"].tolist() == [-145.4, -144.8]


def test_day_and_month_swapped():
    text = "Time (-),DMS_CN (um\\m)\n2022-11-04 08:49:34.669,0.5\n"
    series = parse(text, fields=STRAIN, time_format="%Y-%d-%m %H:%M:%S.%f")
    assert series.observed_at.tolist() == [ms("2022-04-11 08:49:34.669")]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_header_lines_elapsed_time_units_and_missing_values(newline):
    series = parse(
        RELEASE.replace("\n", newline), "gas_concentration", fields=METHANE, skip_lines=4, time_format="elapsed",
        start_regex=r"(\d\d/\d\d/\d{4}.*)", start_format="%d/%m/%Y %H:%M:%S.%f", missing=(-65.536,),
    )  # fmt: skip
    start = ms("2017-09-05 11:26:21")
    assert series.observed_at.tolist() == [start, start + 3000]
    assert series.values["methane_lel"].tolist() == [1.0, 2.0]
    assert series.skipped == 1


def test_a_missing_value_of_an_optional_field_is_not_measured():
    text = "t,p,f\n2026-01-01,2.0,\n2026-01-02,2.1,-65.536\n2026-01-03,,1\n"
    fields = {"pressure_kpa": parse_expression("p"), "flow_m3h": parse_expression("f")}
    series = parse(text, "gas_pressure", fields=fields, missing=(-65.536,))
    assert np.isnan(series.values["flow_m3h"]).tolist() == [True, True]
    assert (len(series), series.skipped) == (2, 1)


def test_dates_and_negative_levels():
    series = parse("Date,River\n1990-01-02,-0.1203\n", "water_level", fields={"level_m": column_expression("River")})
    assert series.observed_at.tolist() == [ms("1990-01-02")]
    assert series.values["level_m"].tolist() == [-0.1203]


@pytest.mark.parametrize(
    ("format_", "text", "expected"),
    [
        ("epoch", "1700000000.5", 1_700_000_000_500),
        ("epoch-ms", "1700000000500", 1_700_000_000_500),
        ("iso", "2026-07-01T12:00:00+08:00", ms("2026-07-01 04:00:00")),
        ("iso", "2026-07-01T12:00:00Z", ms("2026-07-01 12:00:00")),
        ("%d.%m.%Y %H:%M", "01.07.2026 12:00", ms("2026-07-01 12:00:00")),
    ],
)
def test_time_formats(format_, text, expected):
    series = parse(f"t;v\n{text};1\n", "water_level", fields={"level_m": parse_expression("v")}, time_format=format_)
    assert series.observed_at.tolist() == [expected]


def test_times_without_offset_are_in_the_zone():
    from zoneinfo import ZoneInfo

    fields = {"level_m": parse_expression("v")}
    series = parse("t\tv\n2026-07-01 12:00\t1\n", "water_level", fields=fields, zone=ZoneInfo("Asia/Shanghai"))
    assert series.observed_at.tolist() == [ms("2026-07-01 04:00")]


LEVEL = {"level_m": parse_expression("v")}


@pytest.mark.parametrize(
    ("text", "layout", "reason"),
    [
        ("t,v\n2026-01-01,1\n2026-01-02,abc\n", {"fields": LEVEL}, r"r\.csv:3: v: 'abc' is not a number"),
        ("t,v\n\n2026-13-01,1\n", {"fields": LEVEL}, r"r\.csv:3: t: '2026-13-01' is not a time of the format 'iso'"),
        ("t,v\n2026-01-01,1\n2026-01-02\n", {"fields": LEVEL}, r"r\.csv:3: 1 cells; the line of column names has 2"),
        ("t,w\n2026-01-01,1\n", {"fields": LEVEL}, r"no column 'v'; columns: 't', 'w'"),
        ("t,v\n2026-01-01,1\n", {"fields": LEVEL, "time_column": "T"}, "no column 'T'"),
        ("t,v\n2026-01-01,0\n", {"fields": {"level_m": parse_expression("1/v")}}, r":2: level_m: 1/v is not finite"),
        ("t,v\n", {"fields": LEVEL}, "no rows"),
        ("t,v\n", {"fields": LEVEL, "skip_lines": 5}, "leaves no column names"),
        ("t,v\n1,1\n", {"fields": LEVEL, "time_format": "elapsed"}, "elapsed times need a start"),
        ("x\nt,v\n1,1\n", {"fields": LEVEL, "time_format": "elapsed", "skip_lines": 1, "start_regex": "y"}, "nowhere"),
        ("x\nt,v\n1,1\n", {"fields": LEVEL, "time_format": "elapsed", "skip_lines": 1, "start_regex": "("}, "regex"),
        ("x\nt,v\n1,1\n", {"fields": LEVEL, "time_format": "elapsed", "skip_lines": 1, "start_regex": "x"}, "fit"),
        ("t,v\n1,1\n", {"fields": LEVEL, "time_format": "elapsed", "start_time": "soon"}, "--start-time 'soon'"),
        ("t,v\n1,1\n", {"fields": {"depth": parse_expression("v")}}, "no field 'depth'; fields: level_m"),
        ("t,v\n1,1\n", {"fields": {}}, "water_level needs level_m"),
    ],
)
def test_errors_name_file_line_column_and_what_is_allowed(text, layout, reason):
    with pytest.raises(RecordingError, match=reason):
        parse(text, "water_level", **layout)


def test_several_files_are_one_series():
    one = parse("t,v\n2026-01-01,1\n", "water_level", fields=LEVEL)
    two = parse("t,v\n2026-01-02,2\n2026-01-03,\n", "water_level", fields=LEVEL)
    both = join([one, two])
    assert both.values["level_m"].tolist() == [1, 2]
    assert both.skipped == 1
