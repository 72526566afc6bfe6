"""Rows for people on a terminal, plain for pipes, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

LEVEL_STYLES = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "blue": "blue", "none": "dim"}
FORMATS = ("table", "tsv", "csv", "json")


def form_option(command: Any) -> Any:
    """`--format`, the same for every list."""
    return click.option(
        "--format", "form", type=click.Choice(FORMATS), help="Default: table on a terminal, otherwise tsv."
    )(command)


Row = Mapping[str, Any]
Shorten = Callable[[Row], Row]


def show_rows(
    rows: Sequence[Row], columns: Sequence[str], form: str | None, *, shorten: Sequence[Shorten] = (), wrap: str = ""
) -> None:
    """Print the columns of rows; a value in the column `level` is coloured on a terminal. JSON: an object a line.

    A table that is too wide for its terminal is made narrower by one after another of `shorten`; if that is not enough
    only the column `wrap` is broken into lines, as far as it can be.
    """
    form = form or ("table" if sys.stdout.isatty() else "tsv")
    if form == "json":
        for row in rows:
            click.echo(json.dumps({name: plain(row[name]) for name in columns}, ensure_ascii=False))
    elif form == "table":
        _table(rows, columns, shorten, wrap)
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


def fits(table: Table, width: int) -> bool:
    """Whether a table needs no more than this width without breaking a line."""
    from rich.console import Console

    wide = Console(width=1_000_000)
    return wide.measure(table).maximum <= width


def _table(rows: Sequence[Row], columns: Sequence[str], shorten: Sequence[Shorten], wrap: str) -> None:
    from rich.console import Console

    if not rows:
        click.echo("none")
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table_of(rows, columns, console.width, shorten, wrap))


def table_of(
    rows: Sequence[Row], columns: Sequence[str], width: int, shorten: Sequence[Shorten] = (), wrap: str = ""
) -> Table:
    """The table that `show_rows` prints on a terminal of this width."""
    table = _build(rows, columns, "")
    for shorter in shorten:
        if fits(table, width):
            return table
        rows = [shorter(row) for row in rows]
        table = _build(rows, columns, "")
    if wrap and not fits(table, width):
        table = _build(rows, columns, wrap)
    return table


def _build(rows: Sequence[Row], columns: Sequence[str], wrap: str) -> Table:
    from rich.box import HEAVY_HEAD
    from rich.table import Table
    from rich.text import Text

    # without lines between columns there is more room for what must be wrapped
    table = Table(
        header_style="bold", show_edge=False, box=None if wrap else HEAVY_HEAD, padding=(0, 1), pad_edge=False
    )
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=bool(wrap) and name != wrap)
    for row in rows:
        style = LEVEL_STYLES.get(str(row.get("level")), "")
        table.add_row(*(Text(_text(row[name]), style=style if name in ("level", "title") else "") for name in columns))
    return table
