"""The build fails on a breaking schema change: what breaks, and what does not."""

import copy
from typing import Any

import pytest

from schemas.batch import batch_schema
from schemas.compatibility import breaks, problems, record
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.topics import load_topics, subjects

OLD = batch_schema(load_kinds()["gas_pressure"])


def changed(**field_changes: Any) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    for name, change in field_changes.items():
        fields = [field for field in new["fields"] if field["name"] == name]
        if change is None:
            new["fields"].remove(fields[0])
        elif fields:
            fields[0].update(change)
        else:
            new["fields"].append({"name": name, **change})
    return new


def test_todays_schemas_are_recorded_and_break_nothing() -> None:
    assert problems(subjects(load_topics(load_kinds(), load_departments()))) == []


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (changed(temperature_c=None), "temperature_c is removed"),
        (changed(pressure_kpa={"unit": "bar"}), "unit changed from kPa to bar"),
        (changed(pressure_kpa={"type": {"type": "array", "items": "string"}}), "cannot read"),
        (changed(humidity={"type": "double"}), "cannot read old records"),
        (changed(received_at={"type": "string"}), "cannot read"),
    ],
)
def test_breaking_changes(new: dict[str, Any], why: str) -> None:
    assert any(why in reason for reason in breaks(new, OLD))


@pytest.mark.parametrize(
    "new",
    [
        changed(),
        changed(pressure_kpa={"doc": "other words"}),
        changed(humidity={"type": {"type": "array", "items": "double"}, "default": [], "unit": "%"}),
    ],
)
def test_changes_that_break_nothing(new: dict[str, Any]) -> None:
    assert breaks(new, OLD) == []


def test_an_unrecorded_change_is_a_problem_until_recorded(tmp_path) -> None:
    assert "not recorded" in problems({"s": OLD}, [tmp_path])[0]
    assert [path.name for path in record({"s": OLD}, tmp_path)] == ["1.avsc"]
    assert problems({"s": OLD}, [tmp_path]) == []
    new = changed(humidity={"type": {"type": "array", "items": "double"}, "default": []})
    assert [path.name for path in record({"s": new}, tmp_path)] == ["2.avsc"]
    with pytest.raises(ValueError, match="temperature_c is removed"):
        record({"s": changed(temperature_c=None)}, tmp_path)
