"""`riskstream sql`: a query or a prompt on the ClickHouse tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from riskstream.servers import needs

if TYPE_CHECKING:
    from runtime.settings import Settings

FORMATS = {"table": "JSONCompact", "csv": "CSVWithNames", "json": "JSON", "tsv": "TabSeparatedWithNames"}
_MOST_ROWS = 1000
_HISTORY = Path("~/.local/state/riskstream/sql_history")
_HELP = """\
end a query with ;   \\q leaves   \\d lists the tables   \\d TABLE its columns   \\? this help"""
_TABLES = """
SELECT name, engine, total_rows AS rows, comment FROM system.tables
WHERE database = currentDatabase() AND name NOT LIKE '.%' ORDER BY name"""
_COLUMNS = """
SELECT name, type, comment FROM system.columns
WHERE database = currentDatabase() AND table = '{}' ORDER BY position"""


@click.command()
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="Default: table on a terminal, otherwise tsv.")
@click.option("--write", is_flag=True, help="Allow queries that change data.")
@needs("clickhouse")
def sql(query: str | None, form: str | None, write: bool) -> None:
    """Ask ClickHouse: one query as argument or on standard input, or a prompt.

    \b
    Examples:
      riskstream sql "SELECT level, count() FROM alerts GROUP BY level ORDER BY level DESC"
      riskstream sql --format csv "SELECT * FROM readings_rainfall LIMIT 1000" > rain.csv
      riskstream sql < report.sql
      riskstream sql
    """
    from riskstream.clickhouse_http import QueryError
    from runtime.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    chosen = form or ("table" if sys.stdout.isatty() else "tsv")
    if query is None and sys.stdin.isatty():
        _prompt(settings, chosen, write)
        return
    try:
        for one in statements(query if query is not None else sys.stdin.read()):
            show(settings, one, chosen, write)
    except QueryError as error:
        raise click.ClickException(str(error)) from None


def statements(text: str) -> Iterator[str]:
    """The queries of a text: each ends with `;`, the last need not. A `;` in quotes or comments ends nothing."""
    start, at = 0, 0
    while at < len(text):
        at = _skip(text, at)
        if at < len(text) and text[at] == ";":
            if text[start:at].strip():
                yield text[start:at].strip()
            start = at + 1
        at += 1
    if text[start:].strip():
        yield text[start:].strip()


def _skip(text: str, at: int) -> int:
    """The index of the last character of a quoted text or comment that starts here; otherwise the same index."""
    for opening, closing in (("--", "\n"), ("/*", "*/")):
        if text.startswith(opening, at):
            end = text.find(closing, at)
            return len(text) if end < 0 else end + len(closing) - 1
    if text[at] in "'`\"":
        end = at + 1
        while end < len(text) and text[end] != text[at]:
            end += 2 if text[end] == "\\" else 1
        return end
    return at


def show(settings: Settings, query: str, form: str, write: bool) -> None:
    """Run one query and print its result. Raises `QueryError`."""
    from riskstream.clickhouse_http import ask

    answer = ask(settings, query, FORMATS[form], write=write)
    if form == "table" and answer.form == "JSONCompact" and answer.text:
        _table(answer.text)
    elif answer.text:
        click.echo(answer.text, nl=not answer.text.endswith("\n"))


def _table(text: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from riskstream.output import fits

    result = json.loads(text)
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    shown = result["data"][:_MOST_ROWS]
    table = Table(header_style="bold", show_edge=False)
    for column in result["meta"]:
        number = column["type"].startswith(("Int", "UInt", "Float", "Decimal", "Nullable(Int", "Nullable(Float"))
        table.add_column(Text(column["name"]), justify="right" if number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(cell(value)) for value in row))
    if shown and not fits(table, console.width):
        for line in vertical([column["name"] for column in result["meta"]], shown):
            console.print(Text(line), soft_wrap=True)
    else:
        console.print(table)
    count = len(result["data"])
    if count > _MOST_ROWS:
        click.echo(f"the first {_MOST_ROWS} of {count} rows; --format csv gives all")
    seconds = result.get("statistics", {}).get("elapsed", 0.0)
    click.secho(f"{count} row{'s' * (count != 1)}, {seconds:.3f} s", dim=True, err=True)


def vertical(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of the form for rows that are too wide for a table: a column a line."""
    width = max(map(len, names))
    for number, row in enumerate(rows, 1):
        yield f"Row {number}"
        for name, value in zip(names, row, strict=True):
            yield f"{name:>{width}}: {cell(value)}"


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _prompt(settings: Settings, form: str, write: bool) -> None:
    from riskstream.clickhouse_http import QueryError

    _remember()
    click.echo(f"ClickHouse, database {settings.clickhouse_database}; {_HELP}")
    lines: list[str] = []
    while True:
        try:
            line = input("    … " if lines else "sql> ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            lines = []
            continue
        command = line.strip()
        if not lines and command in ("\\q", "exit", "quit", "exit;", "quit;"):
            return
        if not lines and command == "\\?":
            click.echo(_HELP)
            continue
        if not lines and command.startswith("\\d"):
            name = command[2:].strip().replace("\\", "").replace("'", "")
            line = (_COLUMNS.format(name) if name else _TABLES) + ";"
        if not lines and not line.strip():
            continue
        lines.append(line)
        if not line.rstrip().endswith(";"):
            continue
        try:
            for one in statements("\n".join(lines)):
                show(settings, one, form, write)
        except QueryError as error:
            click.secho(str(error), fg="red", err=True)
        except KeyboardInterrupt:
            click.secho("not waiting for the answer any more", fg="yellow", err=True)
        lines = []


def _remember() -> None:
    """Line editing with a history that lasts."""
    import atexit
    import contextlib
    import readline

    path = _HISTORY.expanduser()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        readline.read_history_file(path)
    readline.set_history_length(2000)

    def write() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)

    atexit.register(write)
