"""Rows for people on a terminal, plain for pipes, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

LEVEL_STYLES = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "blue": "blue", "none": "dim"}
FORMATS = ("table", "tsv", "csv", "json")


def form_option(command: Any) -> Any:
    """`--format`, the same for every list."""
    return click.option(
        "--format", "form", type=click.Choice(FORMATS), help="Default: table on a terminal, otherwise tsv."
    )(command)


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: str | None) -> None:
    """Print the columns of rows; a value in the column `level` is coloured on a terminal. JSON: an object a line."""
    form = form or ("table" if sys.stdout.isatty() else "tsv")
    if form == "json":
        for row in rows:
            click.echo(json.dumps({name: plain(row[name]) for name in columns}, ensure_ascii=False))
    elif form == "table":
        _table(rows, columns)
    else:
        out = io.StringIO()
        writer = csv.writer(out, delimiter="," if form == "csv" else "\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_text(row[name]) for name in columns] for row in rows)
        click.echo(out.getvalue(), nl=False)


def plain(value: Any) -> Any:
    """A value as JSON has it: times in RFC 3339."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return "" if value is None else str(plain(value)).replace("\t", " ").replace("\n", " ")


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    table = Table(header_style="bold", show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        style = LEVEL_STYLES.get(str(row.get("level")), "")
        table.add_row(*(Text(_text(row[name]), style=style if name in ("level", "title") else "") for name in columns))
    console.print(table)
