"""Alerts from ClickHouse."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sinks.clickhouse import ColumnClient, query

_LIST = """
SELECT raised_at, toString(level) AS level, if(cleared, 'cleared', status) AS state,
    if(mapContains(title, 'en'), title['en'], mapValues(title)[1]) AS title, zone, sensors[1] AS sensor,
    value, alert_id, JSONExtractString(evidence, 'unit') AS unit, priority
FROM alerts
WHERE {conditions}
ORDER BY {order}alerts.raised_at DESC, alert_id
LIMIT {{limit:UInt32}}
"""
_LIST_COLUMNS = ("raised_at", "level", "state", "title", "zone", "sensor", "value", "alert_id", "unit", "priority")
_ALERT_COLUMNS = (
    "alert_id", "type", "level", "highest_level", "status", "cleared", "rule_id", "rule_version", "registry_version",
    "kind", "zone", "lead_department", "departments", "owner", "sensors", "assets", "title", "advice", "onset_at",
    "raised_at", "updated_at", "due_at", "overdue", "value", "evidence", "mode", "priority",
)  # fmt: skip
_EVENT_COLUMNS = ("sequence", "event", "level", "status", "value", "updated_at", "published_at")


class NotOneError(LookupError):
    """No alert, or several, have an id that starts so."""


def find_alerts(
    client: ColumnClient, *, only_open: bool, level: str | None, department: str | None, zone: str | None,
    since: datetime | None, limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The alerts that meet all conditions, as rows by column: the newest first, or of open ones the worst (the highest
    level, in it the first priority, then the newest).
    """
    order = "alerts.level DESC, priority, " if only_open else ""
    conditions = ["1"]
    parameters: dict[str, Any] = {"limit": limit}
    if only_open:
        conditions.append("NOT cleared AND status NOT IN ('closed', 'cancelled')")
    if level is not None:
        conditions.append("alerts.level >= {level:String}")
        parameters["level"] = level
    if department is not None:
        conditions.append("has(departments, {department:String})")
        parameters["department"] = department
    if zone is not None:
        conditions.append("(zone = {zone:String} OR startsWith(zone, concat({zone:String}, '/')))")
        parameters["zone"] = zone
    if since is not None:
        conditions.append("updated_at >= fromUnixTimestamp64Milli({since:Int64})")
        parameters["since"] = round(since.timestamp() * 1000)
    rows = query(client, _LIST.format(conditions=" AND ".join(conditions), order=order), parameters)
    return [dict(zip(_LIST_COLUMNS, row, strict=True)) for row in rows]


def find_alert(client: ColumnClient, start: str) -> dict[str, Any]:
    """The alert whose id starts so, by column. Raises `NotOneError`."""
    rows = query(
        client,
        f"SELECT {', '.join(_ALERT_COLUMNS)} FROM alerts WHERE startsWith(alert_id, {{start:String}}) LIMIT 2",  # noqa: S608 - names
        {"start": start},
    )
    if not rows:
        raise NotOneError(f"no alert has an id that starts with {start!r}")
    if len(rows) > 1:
        raise NotOneError(f"more than one alert has an id that starts with {start!r}; give more of it")
    return dict(zip(_ALERT_COLUMNS, rows[0], strict=True))


def find_events(client: ColumnClient, alert_id: str) -> list[dict[str, Any]]:
    """All events of an alert in order, by column."""
    rows = query(
        client,
        f"SELECT {', '.join(_EVENT_COLUMNS)} FROM alert_events WHERE alert_id = {{id:String}} ORDER BY sequence",  # noqa: S608 - names
        {"id": alert_id},
    )
    return [dict(zip(_EVENT_COLUMNS, row, strict=True)) for row in rows]


def newest_reading(client: ColumnClient, table: str, sensor_id: str, mode: str, since_ms: int) -> int | None:
    """When the sensor's newest reading of that mode since then was observed, in ms; None where there is none."""
    sql = f"""
        SELECT toUnixTimestamp64Milli(max(observed_at)) FROM {table}
        WHERE sensor_id = {{sensor:String}} AND mode = {{mode:String}}
            AND observed_at >= fromUnixTimestamp64Milli({{since:Int64}})
        HAVING count() > 0"""  # noqa: S608 - names of a kind
    rows = query(client, sql, {"sensor": sensor_id, "mode": mode, "since": since_ms})
    return int(rows[0][0]) if rows else None


def series(
    client: ColumnClient, table: str, field: str, sensor_id: str, first_ms: int, last_ms: int, steps: int
) -> tuple[list[float], list[float]]:
    """Lowest and highest value in each of `steps` equal parts of the time; NaN where nothing was measured.

    `table` and `field` are names of a kind, not texts from outside.
    """
    sql = f"""
        SELECT step, min(value), max(value) FROM
        (
            SELECT {field} AS value, toUnixTimestamp64Milli(observed_at) - {{first:Int64}} AS age,
                least({{steps:Int64}} - 1, intDiv(age * {{steps:Int64}}, {{span:Int64}})) AS step
            FROM {table}
            WHERE sensor_id = {{sensor:String}} AND {field} IS NOT NULL
                AND observed_at >= fromUnixTimestamp64Milli({{first:Int64}})
                AND observed_at <= fromUnixTimestamp64Milli({{first:Int64}} + {{span:Int64}})
        )
        GROUP BY step"""  # noqa: S608 - names of a kind
    low, high = [float("nan")] * steps, [float("nan")] * steps
    span = max(1, last_ms - first_ms)
    for step, least, most in query(client, sql, {"first": first_ms, "span": span, "steps": steps, "sensor": sensor_id}):
        low[step], high[step] = least, most
    return low, high
