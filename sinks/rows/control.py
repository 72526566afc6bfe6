"""Control records of the readings topics as rows of `control_log`: what a replay needs besides the readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.kinds import Kind
from sinks.native import code
from sinks.rows.place import Columns, Log, Placed, TableRows, constant, numbers, place_columns

TABLE = "control_log"


@dataclass(frozen=True, slots=True)
class Control:
    """A control record: `text` is `tick`, `rules=<version>` or `mode=<version>`."""

    text: str
    registry_version: int


def controls(kind: Kind, log: Log, records: Sequence[Placed[Control]]) -> TableRows:
    """A row a control record."""
    columns: Columns = {
        "kind": constant(kind.name, len(records)),
        "control": code(placed.value.text for placed in records),
        "registry_version": numbers(placed.value.registry_version for placed in records),
    }
    return TableRows(TABLE, columns | place_columns(log, records), None)
