"""`riskstream registry` on the real Kafka: whole versions or nothing, live for followers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.demo.generate import FOLDER
from riskstream.demo.command import import_city
from riskstream.registry import registry
from riskstream.registry_log import Difference, RegistryLogError, publish, read_log
from runtime.kafka import producer_config, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings, load_settings
from schemas.registry import Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC, VERSION_HEADER, Marker, Row, encode_row
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(space: Space, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in space.environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    topics = [topic_name(settings, topic) for topic in (SENSORS_TOPIC, ASSETS_TOPIC)]
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        future.result(30)
    return settings


@pytest.fixture
def city(tmp_path: Path) -> Path:
    for name in ("sensors.csv", "assets.csv"):
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(registry, [str(argument) for argument in arguments])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_versions_are_imported_followed_and_exported(settings: Settings, city: Path, tmp_path: Path) -> None:
    follower = RegistryFollower(settings)
    follower.start()
    try:
        assert follower.wait_ready(30)
        assert follower.snapshot().version == 0

        first = run("import", city)
        assert (first.exit_code, first.output.splitlines()[-1]) == (0, "imported as version 1")
        wait_until(lambda: follower.snapshot().version == 1, "the follower has version 1")
        assert len(follower.snapshot().sensors) == 2030

        again = run("import", city)
        assert "nothing changed" in again.output
        assert read_log(settings).versions == [1]

        edit(city / "sensors.csv", "simulated=0 zero_ue=-143\n", "simulated=0 zero_ue=-142.5\n")
        dry = run("import", "--dry-run", city / "sensors.csv")
        assert "dry run" in dry.output
        second = run("import", city / "sensors.csv", "--format", "json")
        assert '"version": 2' in second.output
        assert '"sensors": {"added": 0, "changed": 1, "removed": 0}' in second.output
        wait_until(lambda: follower.snapshot().version == 2, "the follower has version 2")
        assert follower.snapshot().sensors["REC-STRAIN-REFERENCE"].attributes["zero_ue"] == -142.5
        assert "UP-1" in follower.snapshot().assets

        exported = run("export", tmp_path / "v1", "--version", 1)
        assert exported.exit_code == 0
        for name in ("sensors.csv", "assets.csv"):
            assert (tmp_path / "v1" / name).read_text() == (FOLDER / name).read_text()
        unknown = run("export", tmp_path / "v9", "--version", 9)
        assert unknown.exit_code == 1
        assert "no version 9; versions: 1, 2" in unknown.output
    finally:
        follower.stop()


def test_a_bad_row_imports_nothing(settings: Settings, city: Path) -> None:
    edit(city / "sensors.csv", "WL-UP-1-1,water_level", "WL-UP-1-1,water_lvel")
    edit(city / "sensors.csv", ",UP-2,", ",UP-99,")
    result = run("import", city)
    assert result.exit_code == 2
    assert "sensors.csv:" in result.output
    assert "unknown kind 'water_lvel'; allowed: bridge_strain" in result.output
    assert "unknown asset 'UP-99'" in result.output
    assert "3 errors; nothing was imported" in result.output
    assert read_log(settings).versions == []


def test_a_small_file_neither_empties_the_registry_nor_has_to_be_whole(settings: Settings, city: Path) -> None:
    assert run("import", city).exit_code == 0
    lines = (city / "sensors.csv").read_text().splitlines(keepends=True)
    own = city / "own.csv"
    own.write_text(lines[0] + "MINE-1,rainfall,,lanshui,flood,,,UP-1,,\n")

    whole = run("import", own)
    assert whole.exit_code == 2
    assert "would remove 2,030 of 2,030 sensors; nothing was imported" in whole.output
    assert "--allow-removals" in whole.output

    added = run("import", "--add", own, "--format", "json")
    assert '"sensors": {"added": 1, "changed": 0, "removed": 0}' in added.output
    assert len(read_log(settings).snapshot().sensors) == 2031

    allowed = run("import", "--allow-removals", own)
    assert allowed.exit_code == 0
    assert list(read_log(settings).snapshot().sensors) == ["MINE-1"]
    assert len(read_log(settings).snapshot().assets) > 0


def test_the_demo_changes_no_sensor_of_the_user(settings: Settings, tmp_path: Path) -> None:
    header = (FOLDER / "sensors.csv").read_text().splitlines()[0]
    own = tmp_path / "own.csv"
    own.write_text(f"{header}\nMINE-1,rainfall,,lanshui,flood,,,,,\n")
    assert run("import", own).exit_code == 0
    assert import_city(settings) == 2
    assert len(read_log(settings).snapshot().sensors) == 2031

    # its sensors are there, one of them as the user has it: nothing is imported
    own.write_text(f"{header}\nRF-DQ-11,rainfall,mine,lanshui,flood,,,,,\n")
    assert run("import", "--add", own).exit_code == 0
    assert import_city(settings) == 3
    log = read_log(settings)
    assert log.versions == [1, 2, 3]
    assert log.snapshot().sensors["RF-DQ-11"].name == "mine"

    # and where they are not all there, a different one is named
    assert run("import", "--allow-removals", own).exit_code == 0
    with pytest.raises(ClickException, match=r"RF-DQ-11 .*--folder"):
        import_city(settings)


def test_rows_of_an_aborted_import_are_in_no_version(settings: Settings, city: Path) -> None:
    # an importer without a transaction that died before its markers: rows of version 1 and nothing more
    producer = Producer(producer_config(settings))
    ghost = Sensor("GHOST", "rainfall", "", "lanshui", "flood")
    producer.produce(topic_name(settings, SENSORS_TOPIC), encode_row(SENSORS_TOPIC, Row("GHOST", 1, "dead", ghost)))
    assert producer.flush(30) == 0
    assert run("import", city).exit_code == 0
    assert "GHOST" not in read_log(settings).snapshot().sensors

    # and one that died between the two markers: the next import gets the next number and makes both topics whole
    marker = Marker(2, "half", 1, "test", 0)
    name = topic_name(settings, SENSORS_TOPIC)
    producer.produce(name, encode_row(SENSORS_TOPIC, Row("GHOST", 2, "half", ghost)))
    producer.produce(name, marker.encode(), headers=[(VERSION_HEADER, b"2")])
    assert producer.flush(30) == 0
    log = read_log(settings)
    assert log.versions == [1]
    assert "GHOST" not in log.snapshot().sensors
    result = run("import", city)
    assert "imported as version 3" in result.output
    log = read_log(settings)
    assert log.versions == [1, 3]
    assert "GHOST" not in log.snapshot().sensors
    assert len(log.snapshot().sensors) == 2030


def test_of_two_imports_at_once_one_wins_whole(settings: Settings, city: Path) -> None:
    sensor = {name: Sensor(name, "rainfall", "", "lanshui", "flood") for name in ("A", "B")}

    def add(name: str) -> dict[str, Difference]:
        return {SENSORS_TOPIC: Difference(1, 0, 0, {name: sensor[name]}), ASSETS_TOPIC: Difference(0, 0, 0, {})}

    def overtaken(log: object) -> dict[str, Difference]:
        assert publish(settings, lambda _: add("B"), "second") == 1
        return add("A")

    with pytest.raises(RegistryLogError, match="another import started meanwhile"):
        publish(settings, overtaken, "first")
    snapshot = read_log(settings).snapshot()
    assert (snapshot.version, list(snapshot.sensors)) == (1, ["B"])


def test_missing_topics_name_the_command_that_makes_them(
    space: Space, monkeypatch: pytest.MonkeyPatch, city: Path
) -> None:
    for name, value in space.environment.items():
        monkeypatch.setenv(name, value)
    result = run("import", city)
    assert result.exit_code == 1
    assert "`riskstream migrate` makes it" in result.output
