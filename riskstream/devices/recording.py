"""Recorded files as series of readings: header lines, columns, units, missing values, times.

Pure but for `read_text`. Errors name the file, the line and the column, and what is allowed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

import numpy as np

from riskstream.devices.archive import RecordingError, read_text
from riskstream.devices.expression import Expression
from riskstream.devices.noise import Floats, Ints
from riskstream.devices.recording_times import ISO, find_start, parse_time, parse_times
from schemas.kinds import Kind

_DELIMITERS = (",", ";", "\t")
_NO_VALUE = frozenset({"", "nan", "na", "null", "none", "-"})


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a recording. `fields` maps each field of the kind to an expression over the file's columns.

    `skip_lines` are before the line of column names. `time_column` is the first column by default. `start_time` or
    `start_regex` (searched in the skipped lines, read by `start_format`) give the start of elapsed times. Cells
    equal to one of `missing` hold no value, as do empty ones. `delimiter` is found by itself if None; " " is any
    white space.
    """

    fields: Mapping[str, Expression]
    skip_lines: int = 0
    time_column: str | None = None
    time_format: str = ISO
    start_time: str | None = None
    start_regex: str | None = None
    start_format: str = ISO
    missing: tuple[float, ...] = ()
    delimiter: str | None = None
    zone: tzinfo = UTC
    encoding: str = "utf-8"
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Readings in the order of the file; values by field, NaN = not measured (optional fields only).

    `skipped` counts rows without a value for a field that the kind requires.
    """

    observed_at: Ints
    values: Mapping[str, Floats]
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.observed_at)


@dataclass(slots=True)
class _Table:
    path: Path
    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    _columns: dict[str, Floats] = field(default_factory=dict)

    def index(self, column: str) -> int:
        try:
            return self.names.index(column)
        except ValueError:
            listed = ", ".join(repr(name) for name in self.names)
            raise RecordingError(f"{self.path}: no column {column!r}; columns: {listed}") from None

    def texts(self, column: str) -> list[str]:
        number = self.index(column)
        return [row[number].strip() for row in self.rows]

    def where(self, row: int, column: str) -> str:
        return f"{self.path}:{self.lines[row]}: {column}"

    def numbers(self, column: str, missing: Sequence[float]) -> Floats:
        if column not in self._columns:
            texts = self.texts(column)
            try:
                values = np.array(texts, np.float64)
            except ValueError:
                values = np.array([self._number(row, column, text) for row, text in enumerate(texts)], np.float64)
            for number in missing:
                values[values == number] = np.nan
            self._columns[column] = values
        return self._columns[column]

    def _number(self, row: int, column: str, text: str) -> float:
        if text.lower() in _NO_VALUE:
            return math.nan
        try:
            return float(text)
        except ValueError:
            raise RecordingError(
                f"{self.where(row, column)}: {text!r} is not a number; allowed: a number, or no value"
            ) from None


def read_recording(path: Path, kind: Kind, layout: Layout) -> Series:
    """Read one file. Raises RecordingError."""
    return parse_recording(read_text(path, layout.encoding, layout.member), path, kind, layout)


def parse_recording(text: str, path: Path, kind: Kind, layout: Layout) -> Series:
    """Parse a recording's text; `path` is for errors. Raises RecordingError."""
    _check_fields(kind, layout)
    lines = text.splitlines()
    table = _table(lines, path, layout)
    time_column = layout.time_column or table.names[0]
    start_ms = _start(lines, path, layout)
    times = parse_times(
        table.texts(time_column),
        layout.time_format,
        layout.zone,
        start_ms,
        lambda row: table.where(row, time_column),
    )
    keep = np.ones(len(times), np.bool_)
    values: dict[str, Floats] = {}
    for name, expression in layout.fields.items():
        columns = {column: table.numbers(column, layout.missing) for column in expression.columns}
        column = np.broadcast_to(expression.evaluate(columns), times.shape).copy()
        infinite = np.flatnonzero(np.isinf(column))
        if len(infinite):
            raise RecordingError(f"{table.where(int(infinite[0]), name)}: {expression.text} is not finite here")
        if not kind.field(name).optional:
            keep &= ~np.isnan(column)
        values[name] = column
    kept = np.flatnonzero(keep)
    return Series(times[kept], {name: column[kept] for name, column in values.items()}, len(times) - len(kept))


def join(series: Sequence[Series]) -> Series:
    """Several recordings of one sensor as one, in the order given."""
    values = {name: np.concatenate([one.values[name] for one in series]) for name in series[0].values}
    times = np.concatenate([one.observed_at for one in series])
    return Series(times, values, sum(one.skipped for one in series))


def _check_fields(kind: Kind, layout: Layout) -> None:
    for name in layout.fields:
        if name not in kind.field_names:
            raise RecordingError(f"{kind.name} has no field {name!r}; fields: {', '.join(kind.field_names)}")
    needed = [one.name for one in kind.fields if not one.optional and one.name not in layout.fields]
    if needed or not layout.fields:
        raise RecordingError(
            f"{kind.name} needs {', '.join(needed) or 'a field'}: "
            "map it with --column FIELD=COLUMN or --field FIELD=EXPRESSION"
        )


def _table(lines: list[str], path: Path, layout: Layout) -> _Table:
    if len(lines) <= layout.skip_lines:
        raise RecordingError(f"{path}: {len(lines)} lines; --skip-lines {layout.skip_lines} leaves no column names")
    head = lines[layout.skip_lines]
    delimiter = layout.delimiter
    if delimiter is None:
        delimiter = next((one for one in _DELIMITERS if one in head), " ")
    names = [name.strip() for name in _cells(head, delimiter)]
    table = _Table(path, names, [], [])
    for number, line in enumerate(lines[layout.skip_lines + 1 :], layout.skip_lines + 2):
        if not line.strip():
            continue
        cells = _cells(line, delimiter)
        if len(cells) != len(names):
            raise RecordingError(f"{path}:{number}: {len(cells)} cells; the line of column names has {len(names)}")
        table.rows.append(cells)
        table.lines.append(number)
    if not table.rows:
        raise RecordingError(f"{path}: no rows after the line of column names")
    return table


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter))


def _start(lines: list[str], path: Path, layout: Layout) -> int | None:
    if layout.start_time is not None:
        try:
            return parse_time(layout.start_time, layout.start_format, layout.zone)
        except ValueError as error:
            raise RecordingError(f"--start-time {layout.start_time!r}: {error}") from error
    if layout.start_regex is not None:
        header = "\n".join(lines[: layout.skip_lines])
        try:
            return find_start(header, layout.start_regex, layout.start_format, layout.zone)
        except RecordingError as error:
            raise RecordingError(f"{path}: {error}") from error
    return None
