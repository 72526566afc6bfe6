import json
from typing import Any

import pytest

from schemas.partition import partition_of
from schemas.reasons import Reason
from tests.unit.ingest.city import KNOWN, NOW, details, read, reading, reasons, rows

RAW = '{"sensor_id":"%s","observed_at":1780000000000,"pressure_kpa":%s}'

CASES: list[tuple[dict[str, Any] | str, str, str]] = [
    (reading(sensor_id=...), "missing_field", "sensor_id is missing"),
    (reading(sensor_id=None), "missing_field", "sensor_id is missing"),
    (reading(sensor_id=""), "missing_field", "sensor_id is missing"),
    (reading(sensor_id=17), "unknown_sensor", "sensor_id is 17; a text is needed"),
    (reading(sensor_id=["GP-1"]), "unknown_sensor", "a text is needed"),
    (reading(sensor_id="GP-99"), "unknown_sensor", "'GP-99' is not in the registry"),
    (reading(sensor_id="x" * 10_000), "unknown_sensor", "not in the registry"),
    (RAW % ("\\ud800", "1"), "unknown_sensor", "not in the registry"),
    (reading(sensor_id="WN-1"), "wrong_kind", "registered as water_network, not gas_pressure"),
    (reading(observed_at=...), "missing_field", "observed_at is missing"),
    (reading(observed_at=None), "missing_field", "observed_at is missing"),
    (reading(observed_at="soon"), "bad_time", "allowed are RFC 3339"),
    (reading(observed_at=True), "bad_time", "no time"),
    (reading(observed_at=NOW / 1000), "bad_time", "epoch seconds?"),
    (reading(observed_at=NOW + 0.5), "bad_time", "whole number"),
    (reading(observed_at=NOW // 1000), "bad_time", "epoch seconds?"),
    (reading(observed_at=NOW + 60_001), "in_the_future", "60 s ahead of the time of receipt"),
    (reading(observed_at="3000-01-01T00:00:00Z"), "in_the_future", "3000-01-01"),
    (reading(pressure_kpa=...), "missing_field", "pressure_kpa is missing"),
    (reading(pressure_kpa=None), "missing_field", "pressure_kpa is missing"),
    (reading(pressure_kpa="2.5"), "not_a_number", "pressure_kpa is the text '2.5'; a number in kPa is needed"),
    (reading(pressure_kpa=True), "not_a_number", "pressure_kpa is true"),
    (reading(pressure_kpa=[2.5]), "not_a_number", "sample_rate_hz"),
    (reading(pressure_kpa={}), "not_a_number", "an object"),
    (reading(pressure_kpa=float("nan")), "not_a_number", "pressure_kpa is NaN"),
    (reading(pressure_kpa=float("inf")), "not_a_number", "pressure_kpa is Infinity"),
    (reading(flow_m3h=float("-inf")), "not_a_number", "flow_m3h is -Infinity"),
    (reading(pressure_kpa=20_000.1), "out_of_range", "allowed is -100 to 20000 kPa"),
    (reading(pressure_kpa=10**400), "out_of_range", "inf"),
    (reading(pressure_kpa=-(10**30)), "out_of_range", "-1e+30"),
    (RAW % ("GP-1", "1e999"), "out_of_range", "inf"),
    (RAW % ("GP-1", "9" * 5000), "out_of_range", "inf"),
    (reading(flow_m3h=2e6), "out_of_range", "flow_m3h"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "reason", "said"), CASES)
def test_one_bad_reading_has_its_reason_and_costs_no_other(item: dict[str, Any] | str, reason: str, said: str) -> None:
    text = item if isinstance(item, str) else json.dumps(item)
    good = json.dumps(reading())
    for payload, place in ((text, 0), (f"[{good},{text},{good}]", 1)):
        parsed, result = read(payload)
        assert reasons(result) == [(place, reason)]
        assert said in details(result)
        assert len(rows(result)) == 2 * place
        assert parsed.original(place) == text.encode()
        assert len(result.faults[0].sensor_id.encode()) <= 800


def test_what_is_allowed() -> None:
    items = [
        reading(pressure_kpa=2),
        reading(pressure_kpa=-100),
        reading(pressure_kpa=20_000, flow_m3h=None),
        reading(flow_m3h=-1.5, temperature_c=20),
        reading(observed_at=NOW + 60_000),
        reading(observed_at=float(NOW)),
        reading(observed_at="2026-05-28T20:26:40Z"),
    ]
    _, result = read(json.dumps(items))
    assert result.faults == []
    assert [values for _, _, values in rows(result)][2:4] == [
        {"pressure_kpa": 20_000.0},
        {"pressure_kpa": 2.5, "flow_m3h": -1.5, "temperature_c": 20.0},
    ]


def test_late_is_a_flag() -> None:
    limit = 3_600_000
    _, result = read(json.dumps([reading(observed_at=NOW - limit), reading(observed_at=NOW - limit - 1)]))
    assert (result.accepted.late.tolist(), result.faults) == ([False, True], [])


def test_known_sensors_have_the_shared_partition() -> None:
    known = KNOWN["gas_pressure"]
    assert known.rows.keys() == {"GP-1", "GP-2", "水-1"}
    for sensor_id, row in known.rows.items():
        assert known.partitions[row] == partition_of(sensor_id, 4)


def test_every_reason_is_explained() -> None:
    assert all(reason.doc for reason in Reason)
