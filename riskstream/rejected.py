"""`riskstream rejected list`: what was not taken, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from riskstream.output import form_option, show_rows
from riskstream.servers import needs
from riskstream.times import Since
from schemas.reasons import Reason

# column -> expression
_EACH = {
    **{name: name for name in ("received_at", "reason", "kind", "sensor_id", "source", "origin", "detail")},
    "original": "toValidUTF8(substring(original, 1, 2000))",
}
_SUMMARY = {
    **{name: name for name in ("reason", "kind", "source")},
    "count": "count() AS count",
    "first_at": "min(received_at)",
    "last_at": "max(received_at)",
    "example": "argMax(detail, received_at)",
}


@click.group()
def rejected() -> None:
    """Readings that were rejected.

    \b
    Examples:
      riskstream rejected list --since 1h
      riskstream rejected list --reason unknown_sensor --each --format json
    """


@rejected.command("list")
@click.option(
    "--reason",
    type=click.Choice([one.value for one in Reason]),
    metavar="REASON",
    help="Only with this reason (docs/http.md).",
)
@click.option("--kind", help="Only sent as this kind.")
@click.option("--source", help="Only from: mqtt, http, processor, sink.")
@click.option("--since", type=Since(), help="Only since: 2h, 7d, 2026-07-01T12:00:00Z.")
@click.option("--each", is_flag=True, help="Each one with its bytes, the newest first, instead of counts.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most rows.")
@form_option
@needs("clickhouse")
def list_rejected(
    reason: str | None, kind: str | None, source: str | None, since: datetime | None, each: bool, limit: int,
    form: str | None,
) -> None:  # fmt: skip
    """Count what was rejected by reason, kind and source; or list each."""
    from runtime.settings import SettingsError, load_settings
    from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError, connect, query

    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    conditions, parameters = ["1"], dict[str, Any](limit=limit)
    for name, value in (("reason", reason), ("kind", kind), ("source", source)):
        if value is not None:
            conditions.append(f"{name} = {{{name}:String}}")
            parameters[name] = value
    if since is not None:
        conditions.append("rejected_readings.received_at >= fromUnixTimestamp64Milli({since:Int64})")
        parameters["since"] = round(since.timestamp() * 1000)
    columns = _EACH if each else _SUMMARY
    order = "received_at DESC" if each else "count DESC"
    grouped = "" if each else "GROUP BY reason, kind, source"
    # names and expressions from here; what was typed goes as parameters
    sql = (
        f"SELECT {', '.join(columns.values())} FROM rejected_readings WHERE {' AND '.join(conditions)} {grouped} "  # noqa: S608
        f"ORDER BY {order} LIMIT {{limit:UInt32}}"
    )
    client = connect(settings)
    try:
        found = query(client, sql, parameters)
    except (ClickHouseAwayError, ClickHouseRefusedError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        client.disconnect()
    show_rows([dict(zip(columns, row, strict=True)) for row in found], list(columns), form)
