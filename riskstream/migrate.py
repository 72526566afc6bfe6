"""`riskstream migrate`: brings Kafka's topics and ClickHouse's tables to what this version needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from riskstream.kafka_topics import PlannedTopic


@click.command(
    epilog="""\b
Examples:
  riskstream migrate                    make what is missing
  riskstream migrate --print            list every topic, change nothing
  RISKSTREAM_KINDS_DIRS=my/kinds riskstream migrate
                                        also the topic and table of each kind in my/kinds"""
)
@click.option("--print", "only_print", is_flag=True, help="List every topic with its settings and change nothing.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Form of --print.")
@click.option("--only", type=click.Choice(["kafka", "clickhouse"]), help="Only this part.")
def migrate(only_print: bool, form: str, only: str | None) -> None:
    """Make the Kafka topics and ClickHouse tables that are missing; safe to repeat."""
    from riskstream.kafka_topics import KafkaAwayError, make_topics, plan
    from riskstream.servers import require
    from runtime.settings import SettingsError, load_settings
    from schemas.departments import DepartmentsError, load_departments
    from schemas.kinds import KindError, load_kinds
    from schemas.topics import load_topics
    from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError
    from sinks.migrate import MigrationError
    from sinks.migrate import migrate as migrate_clickhouse
    from sinks.tables import TableError

    try:
        settings = load_settings()
        kinds = load_kinds(*settings.kinds_dirs)
        topics = plan(settings, load_topics(kinds, load_departments(settings.departments_file)).values())
        if only_print:
            _print(topics, form)
            return
        require(settings, *([only] if only else ["kafka", "clickhouse"]))
        done, differing = ([], []) if only == "clickhouse" else make_topics(settings, topics)
        if only != "kafka":
            done += migrate_clickhouse(settings, kinds)
    except (
        SettingsError, KindError, DepartmentsError, KafkaAwayError, MigrationError, TableError, ClickHouseAwayError,
        ClickHouseRefusedError,
    ) as error:  # fmt: skip
        raise click.ClickException(str(error)) from None
    for line in done:
        click.echo(line)
    for line in differing:
        click.secho(line, fg="yellow", err=True)
    if not done:
        click.echo("nothing to do: all topics and tables are there")


def _print(topics: list[PlannedTopic], form: str) -> None:
    if form == "json":
        rows = [
            {
                "name": topic.name,
                "partitions": topic.partitions,
                "replication": topic.replication,
                "config": dict(topic.config),
                "description": topic.description,
            }
            for topic in topics
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(topic.name) for topic in topics)
    click.echo(f"{'topic':{width}}  partitions  replication  settings")
    for topic in topics:
        config = " ".join(f"{key}={value}" for key, value in topic.config.items())
        click.echo(f"{topic.name:{width}}  {topic.partitions:10}  {topic.replication:11}  {config}")
