"""Versions of the rules and of the modes as rows of `rule_versions_log` and `mode_versions_log`."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.rule_versions import Modes, RuleFiles
from sinks.native import ColumnData
from sinks.rows.place import Columns, Log, Placed, TableRows, numbers, place_columns, times


def rule_versions(log: Log, records: Sequence[Placed[RuleFiles]]) -> TableRows:
    """A row a version."""
    files: ColumnData = [dict(placed.value.files) for placed in records]
    return TableRows("rule_versions_log", _heads(records) | {"files": files} | place_columns(log, records), None)


def mode_versions(log: Log, records: Sequence[Placed[Modes]]) -> TableRows:
    """A row a version."""
    zones = [placed.value.zones for placed in records]
    columns: Columns = {
        "zones": [[one.zone for one in declared] for declared in zones],
        "modes": [[one.mode for one in declared] for declared in zones],
        "untils": [times(one.until for one in declared).tolist() for declared in zones],
    }
    return TableRows("mode_versions_log", _heads(records) | columns | place_columns(log, records), None)


def _heads(records: Sequence[Placed[RuleFiles]] | Sequence[Placed[Modes]]) -> Columns:
    values = [placed.value for placed in records]
    return {
        "version": numbers(value.version for value in values),
        "author": [value.author for value in values],
        "reason": [value.reason for value in values],
        "applied_at": times(value.applied_at for value in values),
    }
