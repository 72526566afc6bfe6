"""`riskstream alerts list|show|watch`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from riskstream.output import form_option, show_rows
from riskstream.servers import needs
from riskstream.times import Since

if TYPE_CHECKING:
    from runtime.settings import Settings

LEVELS = ("blue", "yellow", "orange", "red")
# on a narrow terminal, in turn: the last levels of the zone, the beginning of the id, no seconds, no year
SHORTEN = (
    lambda row: {**row, "zone": "/".join(row["zone"].split("/")[-3:])},
    lambda row: {**row, "zone": "/".join(row["zone"].split("/")[-2:])},
    lambda row: {**row, "alert_id": row["alert_id"][:8]},
    lambda row: {**row, "raised_at": row["raised_at"][:-3]},
    lambda row: {**row, "raised_at": row["raised_at"][5:]},
    lambda row: {**row, "zone": row["zone"].split("/")[-1]},
)
_COLUMNS = ("raised_at", "level", "state", "title", "zone", "sensor", "value", "alert_id")
_MORE_COLUMNS = ("unit", "priority")
"""Of lists for programs; on a terminal the unit stands behind the value, and the order shows the priority."""


@click.group()
def alerts() -> None:
    """Alerts: list them, show one with its evidence, watch them come.

    \b
    Examples:
      riskstream alerts list --open --level orange
      riskstream alerts show 5d41402a
      riskstream alerts watch --department gas
    """


@alerts.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those whose condition holds and that are not closed.")
@click.option("--level", type=click.Choice(LEVELS), help="This level and those above it.")
@click.option("--department", help="Only those of this department.")
@click.option("--zone", help="Only in this zone and what is in it: city/district.")
@click.option("--since", type=Since(), help="Only those with an event since: 2h, 7d, 2026-07-01T12:00:00Z.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most alerts.")
@form_option
@needs("clickhouse")
def list_alerts(
    only_open: bool, level: str | None, department: str | None, zone: str | None, since: datetime | None,
    limit: int, form: str | None,
) -> None:  # fmt: skip
    """List alerts, the newest first; open ones by level, then by priority."""
    from riskstream.alert_lines import with_unit
    from riskstream.alert_queries import find_alerts
    from riskstream.times import local

    _require_department(department)
    with _clickhouse() as (settings, client):
        rows = find_alerts(
            client, only_open=only_open, level=level, department=department, zone=zone, since=since, limit=limit
        )
    columns: tuple[str, ...] = (*_COLUMNS, *_MORE_COLUMNS)
    if (form or ("table" if sys.stdout.isatty() else "tsv")) == "table":
        columns = _COLUMNS
        for row in rows:
            row["raised_at"] = local(row["raised_at"], settings.timezone)
            row["value"] = "" if row["value"] is None else with_unit(f"{row['value']:.5g}", row["unit"])
            row["alert_id"] = row["alert_id"][:12]
    show_rows(rows, columns, form, shorten=SHORTEN, wrap="title")


@alerts.command("show")
@click.argument("alert_id")
@needs("clickhouse")
def show(alert_id: str) -> None:
    """Show an alert: every event, the evidence, a chart of its sensor. The start of the id is enough."""
    from riskstream.alert_page import print_alert
    from riskstream.alert_queries import NotOneError, find_alert

    with _clickhouse() as (settings, client):
        try:
            alert = find_alert(client, alert_id)
        except NotOneError as error:
            raise click.ClickException(str(error)) from None
        print_alert(settings, client, alert)


@alerts.command("watch")
@click.option("--level", type=click.Choice(LEVELS), default="blue", help="This level and those above it.")
@click.option("--department", help="Only those of this department.")
@click.option("--zone", help="Only in this zone and what is in it: city/district.")
@click.option("--since", type=Since(), help="Start with those since: 2h, 7d, 2026-07-01T12:00:00Z. Default: from now.")
@click.option("--limit", type=click.IntRange(1), help="End after so many.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: an object a line.")
@needs("kafka")
def watch(
    level: str, department: str | None, zone: str | None, since: datetime | None, limit: int | None, form: str
) -> None:
    """Print each alert event as it comes, until Ctrl-C."""
    from confluent_kafka import KafkaException

    from riskstream.alert_stream import alert_events
    from riskstream.servers import kafka_trouble
    from schemas.levels import level_of

    _require_department(department)
    settings = _settings()
    if trouble := kafka_trouble(settings):
        raise click.ClickException(trouble)
    shown = 0
    try:
        for alert in alert_events(settings, since):
            in_zone = zone is None or alert.zone == zone or alert.zone.startswith(f"{zone}/")
            if alert.level < level_of(level) or not in_zone:
                continue
            if department is not None and department not in alert.departments:
                continue
            _print_event(alert, settings, form)
            shown += 1
            if limit is not None and shown >= limit:
                return
    except KafkaException as error:
        first = error.args[0]
        why = first.str() if hasattr(first, "str") else str(first)
        raise click.ClickException(f"Kafka at {settings.kafka_bootstrap}: {why}") from None
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the pipe has enough


def _print_event(alert: Any, settings: Settings, form: str) -> None:
    import dataclasses
    import json

    from riskstream.alert_lines import alert_line

    if form == "json":
        values = {field.name: getattr(alert, field.name) for field in dataclasses.fields(alert)}
        values |= {"level": alert.level.word, "highest_level": alert.highest_level.word}
        if alert.value != alert.value:
            values["value"] = None
        click.echo(json.dumps(values, ensure_ascii=False))
    else:
        line = alert_line(alert, settings.timezone)
        if sys.stdout.isatty():
            from rich.console import Console

            Console(soft_wrap=True).print(line)
        else:
            click.echo(line.plain)
    sys.stdout.flush()


def _require_department(department: str | None) -> None:
    from schemas.departments import DepartmentsError, load_departments

    if department is None:
        return
    try:
        known = load_departments(_settings().departments_file)
    except DepartmentsError as error:
        raise click.UsageError(str(error)) from None
    if department not in known:
        raise click.BadParameter(f"{department!r}; allowed: {', '.join(known)}", param_hint="--department")


def _settings() -> Settings:
    from runtime.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _clickhouse() -> Iterator[tuple[Settings, Any]]:
    from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError, connect

    settings = _settings()
    client = connect(settings)
    try:
        yield settings, client
    except (ClickHouseAwayError, ClickHouseRefusedError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        client.disconnect()
