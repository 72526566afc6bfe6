"""The tables of readings: derived from the kinds, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.kinds import Field, Kind

from .engines import Rendering, identifier, literal

_TIME = "DateTime64(3, 'UTC')"
_ID = "LowCardinality(String)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `spec` is its ClickHouse type; `codec` and `default` are clauses."""

    name: str
    spec: str
    comment: str
    codec: str = ""
    default: str = ""

    @property
    def ddl(self) -> str:
        parts = (identifier(self.name), self.spec, self.default, f"COMMENT {literal(self.comment)}", self.codec)
        return " ".join(part for part in parts if part)


_BEFORE = (
    Column("sensor_id", _ID, "The sensor; dictGet('sensors', 'zone', sensor_id) tells where it is"),
    Column("observed_at", _TIME, "When it was measured", "CODEC(DoubleDelta, ZSTD(1))"),
)
_AFTER = (
    Column("late", "Bool", "Older than the kind's max_delay_s when it was received: stored, not judged"),
    Column(
        "mode",
        "Enum8('live' = 0, 'history' = 1, 'exercise' = 2)",
        "live is judged; exercise is judged and marked; history is only stored",
    ),
    Column("run_id", _ID, "The run of a replay, requeue or exercise; empty: none"),
    Column("gateway", _ID, "Instance of the gateway that took it"),
    Column("source", _ID, "The way in: mqtt, http, requeue, processor"),
    Column(
        "received_at", _TIME, "When the gateway received the oldest reading of its batch", "CODEC(DoubleDelta, ZSTD(1))"
    ),
    Column(
        "registry_version",
        "UInt32",
        "The registry that its gateway knew: it is judged with that or a newer one",
        "CODEC(ZSTD(1))",
    ),
    Column("log_time", _TIME, "Timestamp of its batch in the log (LogAppendTime)", "CODEC(DoubleDelta, ZSTD(1))"),
    Column("log_generation", _ID, "Id of the Kafka topic; a topic made anew has another"),
    Column("log_partition", "UInt32", "Partition in the topic readings.<kind>", "CODEC(ZSTD(1))"),
    Column("log_offset", "UInt64", "Offset of its batch", "CODEC(Delta(8), ZSTD(1))"),
    Column("log_index", "UInt32", "Its index in the batch", "CODEC(T64, ZSTD(1))"),
    Column(
        "stored_at",
        _TIME,
        "When it was stored here; retention counts from it",
        "CODEC(DoubleDelta, ZSTD(1))",
        "DEFAULT now64(3)",
    ),
)


def columns(kind: Kind) -> tuple[Column, ...]:
    """The columns of `readings_<kind>`, in order; `stored_at` fills itself."""
    return (*_BEFORE, *(field_column(field) for field in kind.fields), *_AFTER)


def field_column(field: Field) -> Column:
    """The column of a measured field.

    An optional field is `Nullable`, not NaN: `avg`, `min` and `count` then skip what was not measured, as an analyst
    expects, where one NaN would make a whole average NaN.
    """
    spec = "Nullable(Float64)" if field.optional else "Float64"
    return Column(field.name, spec, f"{field.doc} [{field.unit}]", "CODEC(ZSTD(1))")


class TableError(ValueError):
    """A kind and its table do not go together; the message says what can be done."""


def create(kind: Kind, rendering: Rendering) -> str:
    """The statement that makes the kind's table."""
    lines = ",\n    ".join(column.ddl for column in columns(kind))
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier(kind.table)} {rendering.on_cluster()}\n(\n    {lines}\n)\n"
        f"ENGINE = {rendering.engine('MergeTree')}\nPARTITION BY toYYYYMM(observed_at)\n"
        f"ORDER BY (sensor_id, observed_at)\n"
        f"SETTINGS {rendering.deduplication()}\nCOMMENT {literal(kind.doc)}"
    )


def alter(kind: Kind, existing: Mapping[str, tuple[str, str]], rendering: Rendering) -> list[str]:
    """Statements that bring an existing table to its kind; none if nothing differs.

    `existing` has type and comment of each column. A new optional field becomes a column, a field that became optional
    becomes `Nullable`, a changed doc or unit changes the comment. Raises `TableError` for a new required field, which
    the stored rows would not have.
    """
    head = f"ALTER TABLE {identifier(kind.table)} {rendering.on_cluster()}"
    statements = []
    after = _BEFORE[-1].name
    fixed = _BEFORE[-1].name
    for column in (*_BEFORE, *_AFTER):
        if column.name not in existing:
            statements.append(f"{head} ADD COLUMN IF NOT EXISTS {column.ddl} AFTER {identifier(fixed)}")
        fixed = column.name
    for field in kind.fields:
        column = field_column(field)
        if field.name not in existing:
            if not field.optional:
                raise TableError(
                    f"kind {kind.name}: field {field.name} is new and required, but {kind.table} has rows without it; "
                    'make it optional: "type": ["null", "double"], "default": null'
                )
            statements.append(f"{head} ADD COLUMN IF NOT EXISTS {column.ddl} AFTER {identifier(after)}")
        else:
            spec, comment = existing[field.name]
            if spec != column.spec and field.optional:
                statements.append(f"{head} MODIFY COLUMN {identifier(field.name)} {column.spec}")
            if comment != column.comment:
                statements.append(f"{head} COMMENT COLUMN {identifier(field.name)} {literal(column.comment)}")
        after = field.name
    return statements


def retention(table: str, days: int, rendering: Rendering, only: str = "") -> str:
    """The statement that sets or (0 days) removes a table's retention, counted from `stored_at`.

    `only` is a condition: rows for which it does not hold stay.
    """
    head = f"ALTER TABLE {identifier(table)} {rendering.on_cluster()}"
    where = f" DELETE WHERE {only}" if only else ""
    return f"{head} MODIFY TTL {retention_clause(days)}{where}" if days else f"{head} REMOVE TTL"


def retention_clause(days: int) -> str:
    """The TTL expression, as ClickHouse prints it back."""
    return f"toDateTime(stored_at) + toIntervalDay({days})"
