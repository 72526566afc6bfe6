"""Topics as data, each with an example message whose committed bytes still decode."""

import json
from pathlib import Path

import pytest
import yaml

from schemas.departments import DepartmentsError, load_departments
from schemas.examples import EXAMPLES, decode_example
from schemas.kinds import load_kinds
from schemas.topics import TOPICS, load_topics, schema_store

ALL = load_topics(load_kinds(), load_departments())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_example_decodes(path: Path) -> None:
    example = json.loads(path.read_text())
    assert decode_example(path.stem, example["wire"]) == example["value"]


def test_every_topic_has_an_example() -> None:
    examples = {path.stem for path in EXAMPLES.glob("*.json")}
    departments = {department.alert_topic for department in load_departments().values()} - {"alerts.gas"}
    checkpoints = {name for name in ALL if name.startswith("checkpoints.")} - {"checkpoints.gas_pressure"}
    assert set(ALL) - departments - checkpoints == examples


def test_the_topics_of_the_contract_are_all_there() -> None:
    named = {
        "readings.rejected", "signals", "zones.risk", "alerts", "alerts.current", "alert.actions",
        "registry.sensors", "registry.assets", "registry.rules", "events",
    }  # fmt: skip
    assert named <= set(ALL)
    assert {kind.topic for kind in load_kinds().values()} <= set(ALL)
    assert {department.alert_topic for department in load_departments().values()} <= set(ALL)


def test_every_entry_is_complete() -> None:
    for name, entry in yaml.safe_load(TOPICS.read_text())["topics"].items():
        assert set(entry) == {
            "description", "producers", "consumers", "key", "schema", "partitions", "compatibility", "config",
        }, name  # fmt: skip
        assert all(isinstance(value, str) for value in entry["config"].values()), name


def test_readings_get_their_log_time_from_the_broker() -> None:
    for kind in load_kinds().values():
        assert ALL[kind.topic].config["message.timestamp.type"] == "LogAppendTime"


def test_all_schemas_have_different_ids() -> None:
    store = schema_store(ALL)
    ids = [version.schema_id for subject in store.subjects() for version in store.versions(subject)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("departments: {}", "at least one department"),
        ("departments: {Gas: {name: {en: Gas}}}", "department 'Gas'; allowed: lower case"),
        ("departments: {current: {name: {en: x}}}", "not `current`"),
        ("departments: {gas: {}}", "needs `name"),
        ("departments: [", "not readable as YAML"),
    ],
)
def test_a_wrong_departments_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "departments.yaml"
    path.write_text(text)
    with pytest.raises(DepartmentsError, match=message):
        load_departments(path)
