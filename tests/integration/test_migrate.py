"""`riskstream migrate` on the real Kafka and ClickHouse."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka.admin import AdminClient

from riskstream.kafka_topics import make_topics, plan
from riskstream.migrate import migrate as command
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import Kind, load_kinds, parse_kind
from schemas.topics import load_topics
from sinks.migrate import MIGRATIONS, MigrationError, load_migrations, migrate
from sinks.tables import TableError
from tests.integration.sink_bench import rows, settings_of
from tests.stack import Space

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(space: Space, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in space.environment.items():
        monkeypatch.setenv(name, value)
    return settings_of(space)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_twice_makes_everything_once(settings: Settings) -> None:
    first = run()
    assert first.exit_code == 0, first.output
    for line in ("migration 0001_signals.sql: applied", "table readings_rainfall: created"):
        assert line in first.stdout
    assert f"topic {settings.topic_prefix}alerts.gas: made with 1 partition\n" in first.stdout
    second = run()
    assert second.exit_code == 0
    assert second.stdout == "nothing to do: all topics and tables are there\n"
    topics = AdminClient({"bootstrap.servers": settings.kafka_bootstrap}).list_topics(timeout=10).topics
    listed = {row["name"]: row for row in json.loads(run("--print", "--format", "json").stdout)}
    assert {name: len(topics[name].partitions) for name in listed} == {
        name: row["partitions"] for name, row in listed.items()
    }
    assert listed[f"{settings.topic_prefix}alerts.current"]["config"]["cleanup.policy"] == "compact"
    assert f"{settings.topic_prefix}readings.rainfall" in run("--print").stdout


def test_what_was_made_can_be_used_at_once(settings: Settings) -> None:
    """The controller says that a topic is made before the broker knows it."""
    for number in range(6):
        own = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}{number}.", "partitions": 2})
        planned = plan(own, load_topics(load_kinds(), load_departments()).values())
        make_topics(own, planned)
        found = AdminClient({"bootstrap.servers": own.kafka_bootstrap}).list_topics(timeout=10).topics
        led = {topic.name: topic.name in found and len(found[topic.name].partitions) for topic in planned}
        assert led == {topic.name: topic.partitions for topic in planned}


def test_a_topic_with_other_partitions_is_reported_and_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--only", "kafka")
    monkeypatch.setenv("RISKSTREAM_PARTITIONS", "5")
    result = run("--only", "kafka")
    assert result.exit_code == 0
    assert f"topic {settings.topic_prefix}readings.rainfall: has 2 partitions, not 5; left as it is" in result.stderr
    topics = AdminClient({"bootstrap.servers": settings.kafka_bootstrap}).list_topics(timeout=10).topics
    assert len(topics[f"{settings.topic_prefix}readings.rainfall"].partitions) == 2


def test_two_at_once(settings: Settings) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def go() -> None:
        start.wait()
        try:
            migrate(settings, load_kinds())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert migrate(settings, load_kinds()) == []


def test_a_changed_or_unknown_migration_is_refused(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    migrate(settings, {}, folder)
    path = sorted(folder.iterdir())[0]
    path.write_text(path.read_text() + "-- more\n")
    with pytest.raises(MigrationError, match=f"{path.name} was changed after it was applied"):
        migrate(settings, {}, folder)
    shutil.rmtree(folder)
    shutil.copytree(MIGRATIONS, folder)
    last = load_migrations(folder)[-1]
    (folder / last.file).unlink()
    with pytest.raises(MigrationError, match=f"migration {last.number:04d}, which this version does not know"):
        migrate(settings, {}, folder)


def kind_with(*fields: Mapping[str, Any]) -> dict[str, Kind]:
    schema = {
        "type": "record", "name": "tank", "namespace": "riskstream.kinds", "doc": "A tank's level.", "period_s": 60,
        "max_delay_s": 60,
        "fields": [
            {"name": "sensor_id", "type": "string"},
            {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            *fields,
        ],
    }  # fmt: skip
    return {"tank": parse_kind(schema, "tank")}


def field(name: str, *, optional: bool, doc: str = "A field.") -> dict[str, Any]:
    more = {"type": ["null", "double"], "default": None} if optional else {"type": "double"}
    return {"name": name, "doc": doc, "unit": "m", "min": 0, "max": 10, "resolution": 0.001, **more}


def test_a_kind_that_grows_changes_its_table(settings: Settings) -> None:
    migrate(settings, kind_with(field("level_m", optional=False)))
    wider = kind_with(field("level_m", optional=True, doc="Another."), field("flow", optional=True))
    assert len(migrate(settings, wider)) == 3
    assert migrate(settings, wider) == []
    assert rows(
        settings,
        "SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = 'readings_tank' "
        "AND position BETWEEN 2 AND 5 ORDER BY position",
    ) == [
        ("observed_at", "DateTime64(3, 'UTC')", "When it was measured"),
        ("level_m", "Nullable(Float64)", "Another. [m]"),
        ("flow", "Nullable(Float64)", "A field. [m]"),
        ("late", "Bool", "Older than the kind's max_delay_s when it was received: stored, not judged"),
    ]
    with pytest.raises(TableError, match="field extra is new and required"):
        migrate(settings, kind_with(field("level_m", optional=True), field("extra", optional=False)))


def test_retention_is_a_setting(settings: Settings) -> None:
    def ttl() -> str:
        ((ddl,),) = rows(
            settings,
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'readings_tank'",
        )
        return str(ddl)

    kinds = kind_with(field("level_m", optional=False))
    migrate(settings, kinds)
    assert "TTL toDateTime(stored_at) + toIntervalDay(1100)" in ttl()
    changed = migrate(settings.model_copy(update={"retention_days": 7}), kinds)
    assert "table readings_tank: retention 7 days" in changed
    assert "toIntervalDay(7)" in ttl()
    migrate(settings.model_copy(update={"retention_days": 0}), kinds)
    assert "TTL" not in ttl()


def test_servers_that_are_away_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_CLICKHOUSE_PORT", "1")
    result = run("--only", "clickhouse")
    assert result.exit_code == 1
    assert "ClickHouse is not reachable" in result.stderr
    monkeypatch.setenv("RISKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    result = run("--only", "kafka")
    assert result.exit_code == 1
    assert "Kafka at 127.0.0.1:1" in result.stderr
    monkeypatch.setenv("RISKSTREAM_PARTITIONS", "many")
    assert "RISKSTREAM_PARTITIONS is 'many'" in run("--print").stderr
