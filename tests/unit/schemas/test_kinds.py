"""Kinds: what is built in, and each mistake in a kind's file with the message that names it."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.kinds import BUILT_IN, KindError, load_kinds, parse_kind

GOOD: dict[str, Any] = {
    "type": "record", "name": "tank_temperature", "namespace": "riskstream.kinds", "doc": "Temperature of a tank.",
    "period_s": 300, "max_delay_s": 3600,
    "fields": [
        {"name": "sensor_id", "type": "string"},
        {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "temperature_c", "type": "double", "doc": "Temperature.", "unit": "Cel", "min": -50, "max": 200, "resolution": 0.01},
    ],
}  # fmt: skip


def test_the_seven_kinds_are_built_in() -> None:
    assert set(load_kinds()) == {
        "gas_pressure", "gas_concentration", "water_leak_acoustics", "water_network", "bridge_strain", "water_level", "rainfall",
    }  # fmt: skip


def test_a_new_kind_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "tank_temperature.avsc").write_text(json.dumps(GOOD))
    kind = load_kinds(tmp_path)["tank_temperature"]
    assert (kind.topic, kind.table, kind.period_s, kind.reorder_ms) == (
        "readings.tank_temperature", "readings_tank_temperature", 300, 0,
    )  # fmt: skip
    assert kind.field("temperature_c").unit == "Cel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "enum"}, "must be an Avro record"),
        ({"name": "Tank"}, "allowed: lower case"),
        ({"name": "other"}, "the file is tank_temperature.avsc"),
        ({"period_s": 0}, "period_s is 0; allowed: a number above 0"),
        ({"period_s": "60"}, "period_s is '60'; allowed: a finite number"),
        ({"max_delay_s": None}, "max_delay_s is None"),
        ({"reorder_ms": -1}, "allowed: a number at least 0"),
        ({"colour": "red"}, "attribute 'colour' is not known; allowed: .*period_s"),
        ({"fields": GOOD["fields"][1:]}, '"sensor_id"'),
        ({"fields": GOOD["fields"][:2]}, "at least one measured field"),
        ({"fields": GOOD["fields"] + GOOD["fields"][2:]}, "used twice"),
    ],
)
def test_a_wrong_attribute_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(KindError, match=message):
        parse_kind(GOOD | change, "tank_temperature")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "late"}, "this name is taken"),
        ({"type": "float"}, 'allowed: "double"'),
        ({"type": ["null", "double"]}, 'needs "default": null'),
        ({"unit": ""}, "temperature_c: unit is missing"),
        ({"min": 300}, "min 300 is not below max 200"),
        ({"resolution": 0}, "allowed: a number above 0"),
        ({"resolution": 1e-12}, "too fine for the range"),
        ({"maximum": 3}, "attribute 'maximum' is not known"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    fields = [*GOOD["fields"][:2], GOOD["fields"][2] | change]
    with pytest.raises(KindError, match=message):
        parse_kind(GOOD | {"fields": fields}, "tank_temperature")


def test_a_name_used_twice_names_the_second_file(tmp_path: Path) -> None:
    (tmp_path / "rainfall.avsc").write_text((BUILT_IN / "rainfall.avsc").read_text())
    with pytest.raises(KindError, match=r"rainfall\.avsc: kind 'rainfall' is defined twice"):
        load_kinds(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KindError, match="no such folder"):
        load_kinds(tmp_path / "nowhere")
