"""Options of commands that read a recorded file: which columns are which fields, how times are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from riskstream.devices.expression import Expression
    from riskstream.devices.recording import Layout

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="A field is a column, by its exact name."
    ),
    click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="FIELD=EXPRESSION",
        help="A field is computed: methane_lel=CH4vmr_ppmv/500",
    ),
    click.option("--skip-lines", type=click.IntRange(min=0), default=0, help="Lines before the line of column names."),
    click.option("--delimiter", default=None, help="Between columns; found by itself. A space is any white space."),
    click.option("--missing", type=float, multiple=True, help="A number that stands for no value; may be repeated."),
    click.option("--time-column", default=None, help="The first column by default."),
    click.option(
        "--time-format", default="iso", show_default=True,
        help="iso, elapsed (seconds), epoch (seconds), epoch-ms, or a format of strptime.",
    ),
    click.option("--start-time", default=None, help="Start of elapsed times."),
    click.option(
        "--start-time-regex", default=None, help="Finds the start in the skipped lines; its first group is the time."
    ),
    click.option(
        "--start-format", default="iso", show_default=True, help="Format of the start time, as for --time-format."
    ),
    click.option("--timezone", default="UTC", show_default=True, help="Zone of times without an offset."),
    click.option("--encoding", default="utf-8", show_default=True),
    click.option("--member", default=None, help="The file inside a zip of several."),
)  # fmt: skip


def recording_options(command: Command) -> Command:
    """Add the options; `layout_of` takes what they give."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def layout_of(
    *,
    columns: Sequence[str],
    fields: Sequence[str],
    skip_lines: int,
    delimiter: str | None,
    missing: tuple[float, ...],
    time_column: str | None,
    time_format: str,
    start_time: str | None,
    start_time_regex: str | None,
    start_format: str,
    timezone: str,
    encoding: str,
    member: str | None,
) -> Layout:
    """The layout that the options describe. Raises click.UsageError."""
    from zoneinfo import ZoneInfo

    from riskstream.devices.recording import Layout

    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise click.UsageError(f"--timezone {timezone!r} is not an IANA time zone such as Asia/Shanghai") from None
    return Layout(
        fields=_expressions(columns, fields),
        skip_lines=skip_lines,
        time_column=time_column,
        time_format=time_format,
        start_time=start_time,
        start_regex=start_time_regex,
        start_format=start_format,
        missing=missing,
        delimiter=delimiter,
        zone=zone,
        encoding=encoding,
        member=member,
    )


def _expressions(columns: Sequence[str], fields: Sequence[str]) -> dict[str, Expression]:
    from riskstream.devices.expression import ExpressionError, column_expression, parse_expression

    result: dict[str, Expression] = {}
    for option, pairs in (("--column", columns), ("--field", fields)):
        for pair in pairs:
            name, equals, text = pair.partition("=")
            name, text = name.strip(), text.strip()
            if not equals or not name or not text:
                raise click.UsageError(f"{option} {pair!r}: allowed is FIELD=… such as level_m=River")
            if name in result:
                raise click.UsageError(f"{option} {pair!r}: {name} is mapped twice")
            try:
                result[name] = column_expression(text) if option == "--column" else parse_expression(text)
            except ExpressionError as error:
                raise click.UsageError(f"{option} {pair!r}: {error}") from error
    return result
