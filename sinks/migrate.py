"""Brings the ClickHouse database to what this version needs: numbered migrations, then a table for each kind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.settings import Settings
from schemas.kinds import Kind

from . import tables
from .clickhouse import ColumnClient, connect, query
from .engines import Rendering, identifier

MIGRATIONS = Path(__file__).with_name("migrations")
# alerts and signals are few and are what reports are made of: they stay; so do changes of rules and mode, which say
# what was in force when the readings that are left were judged
KEPT_FOR_RETENTION = {"rejected_readings": "", "control_log": "control = 'tick'"}

_FILE = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations ${on_cluster}
(
    number     UInt32 COMMENT 'Number of the migration',
    name       String COMMENT 'Its name',
    checksum   String COMMENT 'SHA-256 of its file',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied'
)
ENGINE = ${engine ReplacingMergeTree}
ORDER BY number
COMMENT 'Numbered migrations that were applied'
"""


class MigrationError(ValueError):
    """The migrations and the database do not go together; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `checksum` is of the file, before the settings fill its placeholders."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def file(self) -> str:
        return f"{self.number:04d}_{self.name}.sql"


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations in order. Raises `MigrationError` for a wrong file name, a number used twice, or a gap."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.match(path.name)
        if not match:
            raise MigrationError(f"{path}: the name must be NNNN_name.sql, in lower case")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(
                f"{folder / migration.file}: number {expected:04d} was expected here; numbers have no gaps or doubles"
            )
    return found


def statements(text: str) -> Iterator[str]:
    """The statements of a migration: each ends with a `;` at the end of a line; lines of `--` are comments."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    for part in re.split(r";[ \t]*(?:\n|$)", code):
        if part.strip():
            yield part.strip()


def pending(migrations: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The migrations that are not applied yet. `applied` has the checksum by number.

    Raises `MigrationError` if an applied file was changed, or the database has a migration that is not known here.
    """
    known = {migration.number: migration for migration in migrations}
    for number, checksum in sorted(applied.items()):
        if number not in known:
            raise MigrationError(
                f"the database has migration {number:04d}, which this version does not know: "
                "a newer version made it; use that one"
            )
        if known[number].checksum != checksum:
            raise MigrationError(
                f"migration {known[number].file} was changed after it was applied; "
                f"restore it and put the change into a new file {max(known) + 1:04d}_….sql"
            )
    return [migration for migration in migrations if migration.number not in applied]


def migrate(settings: Settings, kinds: Mapping[str, Kind], folder: Path = MIGRATIONS) -> list[str]:
    """Bring the database up to date and return what was done, a line each; nothing to do gives no line.

    Safe to repeat, and by two at once: every statement may run twice. Raises `MigrationError`, `tables.TableError`,
    `clickhouse.ClickHouseAwayError`, `clickhouse.ClickHouseRefusedError`.
    """
    migrations = load_migrations(folder)
    rendering = Rendering(
        database=settings.clickhouse_database,
        cluster=settings.clickhouse_cluster,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
    )
    server = connect(settings, database="default")
    try:
        done = _create_database(server, rendering)
    finally:
        server.disconnect()
    client = connect(settings)
    try:
        done += _numbered(client, migrations, rendering)
        for kind in kinds.values():
            done += _kind_table(client, kind, rendering)
        for table, only in {**KEPT_FOR_RETENTION, **{kind.table: "" for kind in kinds.values()}}.items():
            done += _retention(client, table, settings.retention_days, rendering, only)
    finally:
        client.disconnect()
    return done


def _create_database(client: ColumnClient, rendering: Rendering) -> list[str]:
    if query(client, "SELECT 1 FROM system.databases WHERE name = {name:String}", {"name": rendering.database}):
        return []
    query(client, f"CREATE DATABASE IF NOT EXISTS {identifier(rendering.database)} {rendering.on_cluster()}")
    return [f"database {rendering.database}: created"]


def _numbered(client: ColumnClient, migrations: Sequence[Migration], rendering: Rendering) -> list[str]:
    query(client, rendering.render(_RECORD))
    applied = dict(query(client, "SELECT number, argMin(checksum, applied_at) FROM schema_migrations GROUP BY number"))
    done = []
    for migration in pending(migrations, applied):
        for statement in statements(migration.text):
            query(client, rendering.render(statement))
        query(
            client,
            "INSERT INTO schema_migrations (number, name, checksum) "
            "SELECT {number:UInt32}, {name:String}, {checksum:String}",
            {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
        )
        done.append(f"migration {migration.file}: applied")
    return done


def _kind_table(client: ColumnClient, kind: Kind, rendering: Rendering) -> list[str]:
    existing = {
        name: (spec, comment)
        for name, spec, comment in query(
            client,
            "SELECT name, type, comment FROM system.columns "
            "WHERE database = currentDatabase() AND table = {table:String}",
            {"table": kind.table},
        )
    }
    if not existing:
        query(client, tables.create(kind, rendering))
        return [f"table {kind.table}: created"]
    done = []
    for statement in tables.alter(kind, existing, rendering):
        query(client, statement)
        done.append(f"table {kind.table}: {statement.partition(kind.table)[2].strip('` ')}")
    return done


def _retention(client: ColumnClient, table: str, days: int, rendering: Rendering, only: str) -> list[str]:
    ((ddl,),) = query(
        client,
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
        {"table": table},
    )
    present = re.search(r"\bTTL toDateTime\(stored_at\) \+ toIntervalDay\((\d+)\)", ddl)
    if (int(present[1]) if present else 0) == days:
        return []
    # rewriting old parts at once would load the server for hours; merges apply the new time little by little
    query(client, tables.retention(table, days, rendering, only), materialize_ttl_after_modify=0)
    return [f"table {table}: retention {days} days" if days else f"table {table}: retention removed"]
