"""Numbered migrations: order, checksums, rendering for one server and for a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.kinds import load_kinds
from sinks import tables
from sinks.engines import Rendering
from sinks.migrate import Migration, MigrationError, load_migrations, pending, statements

ONE = Migration(1, "one", "SELECT 1;")
TWO = Migration(2, "two", "SELECT 2;")


def test_pending_are_those_not_applied() -> None:
    assert pending([ONE, TWO], {1: ONE.checksum}) == [TWO]


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        ({1: "other"}, "0001_one.sql was changed after it was applied; restore it .* 0003_….sql"),
        ({3: "x"}, "migration 0003, which this version does not know"),
    ],
)
def test_what_does_not_go_together_is_refused(applied: dict[int, str], message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        pending([ONE, TWO], applied)


@pytest.mark.parametrize(
    "names", [["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001_A.sql"]]
)
def test_wrong_file_names_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError):
        load_migrations(tmp_path)


def test_statements_end_with_the_line() -> None:
    text = "-- a comment; with a semicolon\nSELECT ';' AS a,\n  2;\n\nSELECT 3"
    assert list(statements(text)) == ["SELECT ';' AS a,\n  2", "SELECT 3"]


def test_rendering_for_one_server() -> None:
    one = Rendering("db", user="reader", password="it's")
    assert one.render("T ${on_cluster} ${engine ReplacingMergeTree stored_at} ${deduplication}") == (
        "T  ReplacingMergeTree(stored_at) non_replicated_deduplication_window = 10000"
    )
    assert one.render("${dictionary_source SELECT 1 FROM {database}.t}") == (
        "CLICKHOUSE(USER 'reader' PASSWORD 'it\\'s' QUERY 'SELECT 1 FROM `db`.t')"
    )


def test_rendering_for_a_cluster() -> None:
    cluster = Rendering("db", cluster="main")
    assert cluster.render("T ${on_cluster} ${engine ReplacingMergeTree stored_at} ${deduplication}") == (
        "T ON CLUSTER `main` ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', stored_at) "
        "replicated_deduplication_window = 10000"
    )


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"\$\{engin MergeTree\}' is not known; allowed: deduplication, dictionary_source"
    ):
        Rendering("db").render("${engin MergeTree}")


@pytest.mark.parametrize("migration", load_migrations(), ids=lambda migration: migration.file)
@pytest.mark.parametrize("cluster", ["", "main"])
def test_every_migration_renders_and_may_run_twice(migration: Migration, cluster: str) -> None:
    for statement in statements(migration.text):
        assert statement.startswith(("CREATE TABLE IF NOT EXISTS ", "CREATE OR REPLACE ", "ALTER TABLE "))
        rendered = Rendering("db", cluster=cluster).render(statement)
        assert "${" not in rendered
        assert ("ON CLUSTER" in rendered) is bool(cluster)


def test_an_optional_field_is_nullable_and_tells_its_unit() -> None:
    kind = load_kinds()["gas_pressure"]
    ddl = tables.create(kind, Rendering("db"))
    assert "`pressure_kpa` Float64 COMMENT 'Gauge pressure of the gas. [kPa]' CODEC(ZSTD(1))" in ddl
    assert "`flow_m3h` Nullable(Float64)" in ddl
    assert "PARTITION BY toYYYYMM(observed_at)\nORDER BY (sensor_id, observed_at)" in ddl
    existing = {column.name: (column.spec, column.comment) for column in tables.columns(kind)}
    assert tables.alter(kind, existing, Rendering("db")) == []
