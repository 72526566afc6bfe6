"""Renders the DDL of the migrations for one server or for a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# how many tokens a table remembers: above what all partitions of a topic can insert while a sink is away
DEDUPLICATION_WINDOW = 10_000

_PLACEHOLDER = re.compile(r"\$\{(\w+)(?: ([^}{]*(?:\{\w+\}[^}{]*)*))?\}")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the DDL depends on besides its text.

    `cluster` is the ClickHouse cluster's name, empty for a single server. `user` and `password` are what the
    dictionaries read their tables with.
    """

    database: str
    cluster: str = ""
    user: str = ""
    password: str = ""

    def render(self, sql: str) -> str:
        """Fill the placeholders of a migration. Raises `ValueError` for one that is not known.

        `${on_cluster}`; `${engine Name parameters}`; `${deduplication}`, the table setting that makes insert tokens
        count; `${dictionary_source SELECT …}`, in which `{database}` is filled too.
        """
        return _PLACEHOLDER.sub(self._fill, sql)

    def _fill(self, match: re.Match[str]) -> str:
        name, rest = match[1], match[2] or ""
        fill = _PARTS.get(name)
        if fill is None:
            raise ValueError(f"placeholder {match[0]!r} is not known; allowed: {', '.join(sorted(_PARTS))}")
        return fill(self, rest)

    def on_cluster(self, _: str = "") -> str:
        return f"ON CLUSTER {identifier(self.cluster)}" if self.cluster else ""

    def engine(self, text: str) -> str:
        name, _, parameters = text.partition(" ")
        if not self.cluster:
            return f"{name}({parameters})" if parameters else name
        # the server fills the macros {shard}, {database}, {table} and {replica}
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        return f"Replicated{name}({path}{', ' + parameters if parameters else ''})"

    def deduplication(self, _: str = "") -> str:
        kind = "replicated" if self.cluster else "non_replicated"
        return f"{kind}_deduplication_window = {DEDUPLICATION_WINDOW}"

    def dictionary_source(self, text: str) -> str:
        account = f"USER {literal(self.user)} PASSWORD {literal(self.password)} " if self.user else ""
        return f"CLICKHOUSE({account}QUERY {literal(text.replace('{database}', identifier(self.database)))})"


_PARTS: dict[str, Callable[[Rendering, str], str]] = {
    "on_cluster": Rendering.on_cluster,
    "engine": Rendering.engine,
    "deduplication": Rendering.deduplication,
    "dictionary_source": Rendering.dictionary_source,
}


def literal(text: str) -> str:
    """A text as a ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A name as a quoted ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
