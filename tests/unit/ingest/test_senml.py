import json

import pytest

from ingest.forms import Form
from ingest.parsed import UnreadableError
from tests.unit.ingest.city import NOW, details, read, reasons, rows

T = NOW / 1000 - 10


def senml(*records: dict[str, object], topic_sensor: str = "", kind: str = "gas_pressure", form: Form = Form.SENML):  # type: ignore[no-untyped-def]
    return read(json.dumps(records), kind, form, topic_sensor)[1]


def test_base_values_and_relative_times() -> None:
    result = senml(
        {"bn": "urn:dev:mac:GP-1:", "bt": T, "bu": "kPa", "bv": 1, "n": "pressure_kpa", "v": 1.5},
        {"n": "pressure_kpa", "t": -5, "v": 2},
        {"n": "temperature_c", "u": "Cel", "t": -5, "v": 20},
    )
    assert rows(result) == [
        ("GP-1", NOW - 10_000, {"pressure_kpa": 2.5}),
        ("GP-1", NOW - 15_000, {"pressure_kpa": 3.0, "temperature_c": 21.0}),
    ]


@pytest.mark.parametrize(
    "name", ["GP-1/pressure_kpa", "GP-1:pressure_kpa", "urn:dev:ow:GP-1:pressure_kpa", "urn:dev:x:GP-1/pressure_kpa"]
)
def test_names(name: str) -> None:
    assert rows(senml({"n": name, "v": 2, "t": T})) == [("GP-1", NOW - 10_000, {"pressure_kpa": 2.0})]


def test_times_below_two_to_the_28_are_relative_to_receipt() -> None:
    assert rows(senml({"n": "GP-1/pressure_kpa", "v": 2}))[0][1] == NOW
    assert rows(senml({"n": "GP-1/pressure_kpa", "v": 2, "t": -60}))[0][1] == NOW - 60_000


def test_topic_gives_the_sensor_and_the_pack_is_recognised_without_a_content_type() -> None:
    assert rows(senml({"n": "pressure_kpa", "v": 2, "t": T}, topic_sensor="GP-1", form=Form.JSON)) == [
        ("GP-1", NOW - 10_000, {"pressure_kpa": 2.0})
    ]
    assert reasons(senml({"n": "GP-2/pressure_kpa", "v": 2}, topic_sensor="GP-1")) == [(0, "topic_mismatch")]
    assert reasons(senml({"n": "pressure_kpa", "v": 2})) == [(0, "missing_field")]


@pytest.mark.parametrize(
    ("unit", "value", "kpa"),
    [("Pa", 2500, 2.5), ("hPa", 25, 2.5), ("bar", 0.025, 2.5), ("MPa", 0.0025, 2.5), ("kPa", 2.5, 2.5)],
)
def test_units_are_converted(unit: str, value: float, kpa: float) -> None:
    assert rows(senml({"n": "GP-1/pressure_kpa", "u": unit, "v": value}))[0][2]["pressure_kpa"] == pytest.approx(kpa)


@pytest.mark.parametrize(
    ("record", "reason", "said"),
    [
        ({"u": "lm", "v": 1}, "wrong_unit", "allowed: kPa, Pa, hPa"),
        ({"vs": "2"}, "not_a_number", "no number"),
        ({"vb": True}, "not_a_number", "no number"),
        ({"v": 1e9}, "out_of_range", "allowed is -100 to 20000 kPa"),
        ({"v": 2, "t": 1e400}, "bad_time", "inf"),
        ({"v": 2, "t": 300}, "in_the_future", "300 s ahead"),
    ],
)
def test_a_bad_record_costs_its_reading(record: dict[str, object], reason: str, said: str) -> None:
    payload = json.dumps([{"n": "GP-1/pressure_kpa", **record}, {"n": "GP-2/pressure_kpa", "v": 2}]).replace(
        "Infinity", "1e400"
    )
    parsed, result = read(payload, form=Form.SENML)
    assert [sensor for sensor, _, _ in rows(result)] == ["GP-2"]
    assert reasons(result) == [(0, reason)]
    assert said in details(result)
    assert parsed.original(0) == payload.encode()


def test_unknown_measurements_are_ignored_but_not_alone() -> None:
    assert reasons(senml({"n": "GP-1/battery", "v": 3}, {"n": "GP-1/pressure_kpa", "v": 2})) == []
    assert reasons(senml({"n": "GP-1/battery", "v": 3})) == [(0, "missing_field")]


def test_the_same_field_twice_at_the_same_time() -> None:
    assert reasons(senml({"n": "GP-1/pressure_kpa", "v": 3}, {"n": "GP-1/pressure_kpa", "v": 2})) == [(0, "unreadable")]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ('[{"bver":11,"n":"a"}]', "version 11"),
        ('[{"n":"a","x_":1}]', "understood"),
        ('[{"n":1,"v":1}]', "n must be a text"),
        ('[{"n":"a","bt":"x"}]', "bt must be a number"),
        ('[{"n":"a"},1]', "record 1 is not an object"),
        ('[{"n":"a","n":"b"}]', "stands twice"),
        ('[{"bn":"a"}]', "no records with values"),
    ],
)
def test_a_pack_that_cannot_be_read(records: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read(records, form=Form.SENML)
