"""From raw JSON values to typed columns: the first half of validation, which needs nothing but the kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.forms.exact_json import NotANumber
from ingest.layout import RATE, Layout
from ingest.parsed import MISSING, Fault, Typed
from ingest.times import read_times
from ingest.verdicts import Verdicts
from schemas.kinds import Field
from schemas.reasons import Reason

_NUMBERS = {int, float}
_NUMBERS_OR_NULL = {int, float, type(None)}
_ABSENT = {type(MISSING), type(None)}


def type_columns(
    layout: Layout, columns: Sequence[Sequence[Any]], items: Sequence[int] | NDArray[np.int64] | None
) -> tuple[Typed, list[Fault]]:
    """Single readings, a sequence a column, with the item of each (None: reading k is item k)."""
    sensors, times, *fields = columns
    count = len(sensors)
    numbers = np.arange(count) if items is None else np.asarray(items, np.int64)
    verdicts = Verdicts(numbers, sensors)
    if set(map(type, sensors)) != {str} or "" in sensors:
        _check_sensors(sensors, verdicts)
    observed_at, wrong = read_times(times) if count else (np.empty(0, np.int64), {})
    if wrong:
        missing = [row for row in wrong if times[row] is MISSING or times[row] is None]
        verdicts.reject(missing, Reason.MISSING_FIELD, lambda _: "observed_at is missing")
        verdicts.reject(list(wrong), Reason.BAD_TIME, lambda row: wrong[row])
    values = {
        field.name: _numbers(field, column, verdicts) for field, column in zip(layout.fields, fields, strict=True)
    }
    _check_required(layout, values, verdicts)
    good = verdicts.good()
    if good is None:
        return Typed(list(sensors), observed_at, values, numbers), []
    kept = {name: column[good] for name, column in values.items()}
    ids = [sensors[row] for row in good.tolist()]
    return Typed(ids, observed_at[good], kept, numbers[good]), verdicts.faults


def _check_sensors(sensors: Sequence[Any], verdicts: Verdicts) -> None:
    absent = [row for row, value in enumerate(sensors) if value is MISSING or value is None or value == ""]
    verdicts.reject(absent, Reason.MISSING_FIELD, lambda _: "sensor_id is missing")
    other = [row for row, value in enumerate(sensors) if not isinstance(value, str)]
    verdicts.reject(other, Reason.UNKNOWN_SENSOR, lambda row: f"sensor_id is {say(sensors[row])}; a text is needed")


def _check_required(layout: Layout, values: dict[str, NDArray[np.float64]], verdicts: Verdicts) -> None:
    required = [field.name for field in layout.fields if not field.optional]
    for name in required:
        absent = np.isnan(values[name])
        if absent.any():
            verdicts.reject(np.flatnonzero(absent), Reason.MISSING_FIELD, partial(_is_missing, name))
    if not required:
        absent = np.logical_and.reduce([np.isnan(column) for column in values.values()])
        if absent.any():
            names = ", ".join(values)
            verdicts.reject(np.flatnonzero(absent), Reason.MISSING_FIELD, lambda _: f"none of {names} is there")


def _is_missing(name: str, _row: int) -> str:
    return f"{name} is missing"


def _numbers(field: Field, column: Sequence[Any], verdicts: Verdicts) -> NDArray[np.float64]:
    """The column with NaN where there is no value; what is there and no number is rejected."""
    types = set(map(type, column))
    if types <= _ABSENT:
        return np.full(len(column), np.nan)
    if types <= _NUMBERS_OR_NULL:
        try:
            return np.array(column, np.float64)
        except OverflowError:
            pass  # an integer beyond a double
    elif types <= _NUMBERS | _ABSENT:
        return _numbers(field, [None if value is MISSING else value for value in column], verdicts)
    numbers = np.full(len(column), np.nan)
    wrong: list[int] = []
    for row, value in enumerate(column):
        if type(value) is float or type(value) is int:
            try:
                numbers[row] = value
            except OverflowError:
                numbers[row] = np.inf if value > 0 else -np.inf
        elif value is not MISSING and value is not None:
            wrong.append(row)
    verdicts.reject(
        wrong,
        Reason.NOT_A_NUMBER,
        lambda row: f"{field.name} is {say(column[row])}; a number in {field.unit} is needed",
    )
    return numbers


def say(value: Any) -> str:
    """A JSON value in the words of an error message."""
    if isinstance(value, NotANumber):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"an array (a run of samples needs {RATE})"
    return "an object" if isinstance(value, dict) else str(value)[:40]
