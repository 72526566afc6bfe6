import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registry import Asset, Sensor
from schemas.registry_csv import (
    ASSET_COLUMNS,
    SENSOR_COLUMNS,
    RowError,
    asset_ids,
    parse_assets,
    parse_sensors,
    write_assets,
    write_sensors,
)

KINDS = ("gas_pressure", "water_level")
DEPARTMENTS = ("gas", "flood")
HEADER = ",".join(SENSOR_COLUMNS) + ",attributes"
GOOD = "GP-1,gas_pressure,Old Quay 1,c/d/s/m/g1,gas,30.5,112.5,PIPE-1,low-pressure,zero_ue=0.5"
ASSET_HEADER = ",".join(ASSET_COLUMNS)
GOOD_ASSET = 'PIPE-1,gas_pipe,Quay main,c/d/s,Lan Gas,gas,"LINESTRING (112.5 30.5, 112.6 30.5)",II,true'


def sensors(*rows: str, header: str = HEADER, assets=("PIPE-1",)):
    text = "\n".join([header, *rows]) + "\n"
    return parse_sensors(text, kinds=KINDS, departments=DEPARTMENTS, assets=assets, file="s.csv")


def assets(*rows: str, header: str = ASSET_HEADER):
    return parse_assets("\n".join([header, *rows]) + "\n", departments=DEPARTMENTS, file="a.csv")


def test_a_good_row_becomes_a_sensor():
    parsed = sensors(GOOD)
    assert parsed.errors == []
    assert parsed.rows == {
        "GP-1": Sensor(
            "GP-1", "gas_pressure", "Old Quay 1", "c/d/s/m/g1", "gas", 30.5, 112.5, "PIPE-1", "low-pressure",
            {"zero_ue": 0.5},
        )
    }  # fmt: skip


def test_attributes_are_pairs_by_space_or_semicolon_and_columns_of_their_own():
    row = "WL-1,water_level,,c,flood,,,,road,floor;1,crown_m=3.5; ground_level_m=-1e0 make=ACME;"
    parsed = sensors(row, header=",".join(SENSOR_COLUMNS) + ",model,attributes")
    assert parsed.errors == []
    sensor = parsed.rows["WL-1"]
    assert sensor.attributes == {
        "model": "floor;1",
        "crown_m": 3.5,
        "ground_level_m": -1.0,
        "make": "ACME",
    }
    assert sensor.lat is None
    assert sensor.lon is None


def test_columns_may_stand_in_any_order_and_a_byte_order_mark_is_skipped():
    header = "profile," + ",".join(column for column in SENSOR_COLUMNS if column != "profile")
    row = "road,WL-1,water_level,,c,flood,,,"
    parsed = parse_sensors(f"\ufeff{header}\r\n{row}\r\n".encode(), kinds=KINDS, departments=DEPARTMENTS, file="s.csv")
    assert parsed.errors == []
    assert parsed.rows["WL-1"].profile == "road"


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        (("gas_pressure", "gas_presure"), "kind", "allowed: gas_pressure, water_level"),
        ((",gas,", ",gass,"), "department", "allowed: gas, flood"),
        ((",gas,", ",,"), "department", "empty"),
        (("30.5", "91"), "lat", "−90 to 90"),
        (("30.5", "nan"), "lat", "not a number"),
        (("112.5", "east"), "lon", "−180 to 180"),
        (("30.5", ""), "lat", "both given or both empty"),
        (("c/d/s/m/g1", "c/d/s/m/g1/x"), "zone", "at most five"),
        (("c/d/s/m/g1", "c//s"), "zone", "empty or padded level"),
        (("c/d/s/m/g1", "/c"), "zone", "empty or padded level"),
        (("c/d/s/m/g1", "c/d /s"), "zone", "empty or padded level"),
        (("c/d/s/m/g1", ""), "zone", "empty"),
        (("GP-1", "GP/1"), "sensor_id", "MQTT topic level"),
        (("GP-1", "GP+1"), "sensor_id", "MQTT topic level"),
        (("GP-1", "GP#1"), "sensor_id", "MQTT topic level"),
        (("GP-1", "GP 1"), "sensor_id", "MQTT topic level"),
        (("GP-1", ""), "sensor_id", "empty"),
        (("GP-1", "x" * 129), "sensor_id", "longer than 128 bytes"),
        (("GP-1", "GP\x00"), "sensor_id", "control character"),
        (("PIPE-1", "PIPE-2"), "asset_id", "unknown asset"),
        (("zero_ue=0.5", "zero_ue"), "attributes", "key=value"),
        (("zero_ue=0.5", "zero_ue="), "attributes", "key=value"),
        (("zero_ue=0.5", "=1"), "attributes", "key=value"),
        (("zero_ue=0.5", "a=b=c"), "attributes", "key=value"),
        (("zero_ue=0.5", "Zero=1"), "attributes", "lower case"),
        (("zero_ue=0.5", "a=1 a=2"), "attributes", "given twice"),
        (("zero_ue=0.5", "kind=x"), "attributes", "column of its own"),
        (("zero_ue=0.5", "a=1e999"), "attributes", "not a finite number"),
        (("zero_ue=0.5", "a=NaN"), "attributes", "not a finite number"),
        (("Old Quay 1", '"Old\nQuay"'), "name", "line break"),
    ],
)
def test_each_wrong_cell_gives_file_line_column_and_what_is_allowed(change, column, reason):
    bad = GOOD.replace(*change)
    assert bad != GOOD
    parsed = sensors(GOOD.replace("GP-1", "GP-0"), bad)
    (error,) = parsed.errors
    assert (error.file, error.line, error.column) == ("s.csv", 3, column)
    assert reason in error.reason
    assert list(parsed.rows) == ["GP-0"]


def test_all_errors_are_collected_in_the_order_of_lines():
    parsed = sensors(
        GOOD,
        GOOD,  # the same id again
        "",
        GOOD.replace("gas_pressure", "gas").replace("30.5", "x").replace("GP-1", "GP-2"),
        "GP-3,gas_pressure",
    )
    assert [(error.line, error.column) for error in parsed.errors] == [
        (3, "sensor_id"), (5, "lat"), (5, "kind"), (6, ""),
    ]  # fmt: skip
    assert "already in line 2" in parsed.errors[0].reason
    assert "2 cells" in parsed.errors[3].reason
    assert str(parsed.errors[1]).startswith("s.csv:5: lat: ")


def test_a_row_after_a_quoted_line_break_keeps_its_line_number():
    parsed = sensors(GOOD.replace("Old Quay 1", '"Old\nQuay"'), GOOD.replace("GP-1", "GP/2"))
    assert [error.line for error in parsed.errors] == [2, 4]


def test_missing_doubled_and_unknown_columns():
    header = HEADER.replace("zone,", "").replace("profile", "kind").replace("attributes", "Crown (m)")
    errors = sensors(header=header).errors
    assert [(error.line, error.column) for error in errors] == [
        (1, "zone"), (1, "profile"), (1, "kind"), (1, "Crown (m)"),
    ]  # fmt: skip
    assert "missing column" in errors[0].reason
    assert "name of an attribute" in errors[3].reason
    assert "unknown column" in assets(header=ASSET_HEADER + ",colour").errors[0].reason


def test_an_empty_file_misses_every_column():
    parsed = parse_sensors(b"", kinds=KINDS, departments=DEPARTMENTS)
    assert [error.column for error in parsed.errors] == list(SENSOR_COLUMNS)


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04\x00\x08\nx,y\n", "sensor_id,kind\nx,y\n".encode("utf-16"), b"\x80,\x81\n\xff"]
)
def test_a_file_that_is_no_text_is_told_once(data):
    parsed = parse_sensors(data, kinds=[], departments=[], file="s.csv")
    assert parsed.errors == [RowError("s.csv", 1, "", "not UTF-8 text; allowed: CSV in UTF-8")]


def test_bad_utf_8_names_the_cell():
    data = f"{HEADER}\n{GOOD}\n".encode().replace(b"Old Quay", b"Old \xff\xfe")
    (error,) = parse_sensors(data, kinds=KINDS, departments=DEPARTMENTS, file="s.csv").errors
    assert error == RowError("s.csv", 2, "name", "bytes that are not UTF-8; allowed: UTF-8 text")
    str(error).encode()


def test_a_broken_quote_is_an_error_with_its_line():
    (error,) = sensors(GOOD, '"GP-2,gas_pressure').errors
    assert error.line == 3
    assert "not readable as CSV" in error.reason


def test_without_known_assets_the_asset_is_not_checked():
    assert sensors(GOOD, assets=None).errors == []


def test_a_good_asset_and_wrong_ones():
    parsed = assets(
        GOOD_ASSET,
        GOOD_ASSET.replace("PIPE-1", "PIPE-2").replace("LINESTRING", "LINE"),
        GOOD_ASSET.replace("PIPE-1", "PIPE-3").replace(",II,", ",high,"),
        GOOD_ASSET.replace("PIPE-1", "PIPE-4").replace("true", "maybe"),
        GOOD_ASSET.replace("PIPE-1", "PIPE-5").replace(",gas,", ",nobody,"),
        GOOD_ASSET.replace("PIPE-1", "PIPE-6").replace("gas_pipe", ""),
    )
    assert parsed.rows == {
        "PIPE-1": Asset(
            "PIPE-1", "gas_pipe", "Quay main", "c/d/s", "Lan Gas", "gas",
            "LINESTRING (112.5 30.5, 112.6 30.5)", "II", True,
        )
    }  # fmt: skip
    assert [(error.line, error.column) for error in parsed.errors] == [
        (3, "geometry_wkt"), (4, "risk_grade"), (5, "risk_point"), (6, "lead_department"), (7, "type"),
    ]  # fmt: skip


def test_asset_ids_are_read_from_bad_rows_too():
    text = f"{ASSET_HEADER}\n{GOOD_ASSET.replace('gas,', 'nobody,')}\n"
    assert asset_ids(text) == {"PIPE-1"}
    assert asset_ids(b"") == set()


texts = st.text(
    st.characters(exclude_categories=("C", "Z")) | st.sampled_from(' ,;="'), max_size=12
).map(str.strip)  # fmt: skip
ids = st.text(string.ascii_letters + string.digits + "-_.:é水", min_size=1, max_size=12)
levels = st.text(string.ascii_lowercase + "区 ", min_size=1, max_size=6).map(str.strip).filter(bool)
zones = st.lists(levels, min_size=1, max_size=5).map("/".join)
attribute_values = st.floats(allow_nan=False, allow_infinity=False) | texts.filter(
    lambda text: (
        text and not any(c.isdigit() for c in text) and text.lstrip("+-").lower() not in ("nan", "inf", "infinity")
    )
)
attribute_names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8).filter(
    lambda name: name not in (*SENSOR_COLUMNS, "attributes")
)
positions = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@st.composite
def some_sensors(draw):
    result = {}
    for sensor_id in draw(st.sets(ids, max_size=4)):
        position = draw(positions) or (None, None)
        result[sensor_id] = Sensor(
            sensor_id, draw(st.sampled_from(KINDS)), draw(texts), draw(zones),
            draw(st.sampled_from(DEPARTMENTS)), *position, draw(texts), draw(texts),
            draw(st.dictionaries(attribute_names, attribute_values, max_size=3)),
        )  # fmt: skip
    return result


@given(some_sensors())
def test_written_sensors_read_back_the_same(expected):
    parsed = parse_sensors(write_sensors(expected.values()).encode(), kinds=KINDS, departments=DEPARTMENTS)
    assert parsed.errors == []
    assert parsed.rows == expected


some_assets = st.lists(
    st.builds(
        Asset, ids, texts.filter(bool), texts, zones, texts, st.sampled_from(DEPARTMENTS),
        st.sampled_from(["", "POINT (1 2)", "LINESTRING (0 0, 1 1)"]), st.sampled_from(["", "I", "IV"]),
        st.booleans(),
    ),
    unique_by=lambda asset: asset.asset_id,
    max_size=4,
)  # fmt: skip


@given(some_assets)
def test_written_assets_read_back_the_same(expected):
    parsed = parse_assets(write_assets(expected).encode(), departments=DEPARTMENTS)
    assert parsed.errors == []
    assert parsed.rows == {asset.asset_id: asset for asset in expected}


@given(st.binary(max_size=200))
def test_any_bytes_give_errors_not_exceptions(data):
    assert parse_sensors(data, kinds=KINDS, departments=DEPARTMENTS).errors
    rows = f"{HEADER}\n{GOOD}\n".encode() + data
    parse_sensors(rows, kinds=KINDS, departments=DEPARTMENTS)
