"""Runs of samples: `{"observed_at": …, "sample_rate_hz": 100, "strain_ue": [ … ]}`.

Sample i was measured at observed_at + i / sample_rate_hz, rounded to the millisecond; so at most 1,000 samples a
second keep times of their own. A field may also be one number, which then holds for all samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.forms.exact_json import NotANumber
from ingest.layout import RATE, SENSOR, TIME, Layout
from ingest.parsed import MISSING, Fault, Typed, UnreadableError
from ingest.times import read_time
from schemas.reasons import Reason

MAX_RATE_HZ = 1000.0
MAX_SPAN_MS = 30 * 365 * 86_400_000
_KINDS_OF_JSON = {dict: "an object", str: "a text", bool: "true or false", list: "an array", type(None): "null"}


@dataclass(slots=True)
class Run:
    """What one run gives: its good samples (none or one entry), and its faults."""

    typed: list[Typed] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unknown_fields: bool = False


def run_of_payload(layout: Layout, payload: bytes) -> Typed | None:
    """The run that is the whole payload, when it is a clean one; None when it needs the exact way."""
    if b"\\" in payload:
        return None
    try:
        run = layout.run_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    columns = [getattr(run, f.name) for f in layout.fields]
    present = 2 + (run.sensor_id is not MISSING) + sum(column is not MISSING for column in columns)
    texts = (run.sensor_id is not MISSING) + (type(run.observed_at) is str)
    if payload.count(b'"') != 2 * (present + texts):
        return None
    arrays = {
        f.name: np.array(column, np.float64)
        for f, column in zip(layout.fields, columns, strict=True)
        if column is not MISSING
    }
    lengths = {array.size for array in arrays.values() if array.ndim}
    if len(lengths) != 1 or 0 in lengths or any(f.name not in arrays for f in layout.fields if not f.optional):
        return None
    sensor_id = "" if run.sensor_id is MISSING else run.sensor_id
    try:
        times = _times(run.observed_at, run.sample_rate_hz, lengths.pop())
    except UnreadableError:
        return None
    return _typed(layout, sensor_id, times, arrays, 0)


def parse_run(layout: Layout, item: dict[str, Any], number: int) -> Run:
    """The exact way. A bad sample costs itself only; what concerns the run as a whole costs all of it."""
    run = Run(unknown_fields=any(key not in layout.names and key != RATE for key in item))
    sensor_id = item.get(SENSOR)
    named = sensor_id if isinstance(sensor_id, str) else ""

    def reject(reason: Reason, detail: str, readings: int) -> Run:
        run.faults.append(Fault(number, named, reason, detail, max(readings, 1)))
        return run

    present = {f.name: item[f.name] for f in layout.fields if item.get(f.name) is not None}
    lengths = {name: len(value) for name, value in present.items() if isinstance(value, list)}
    count = max(lengths.values(), default=0)
    if sensor_id is not None and not isinstance(sensor_id, str):
        return reject(Reason.UNKNOWN_SENSOR, f"sensor_id is {_name(sensor_id)}; a text is needed", count)
    missing = [f.name for f in layout.fields if not f.optional and f.name not in present]
    if missing or not present:
        return reject(Reason.MISSING_FIELD, f"the run has no {' or '.join(missing or layout.names[2:])}", count)
    if not lengths:
        return reject(Reason.WRONG_LENGTH, f"{RATE} is given, but no field is an array of samples", 1)
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        return reject(Reason.WRONG_LENGTH, f"the fields differ in length: {said}", count)
    if not count:
        return reject(Reason.EMPTY, "the run has no samples", 1)
    if item.get(TIME) is None:
        return reject(Reason.MISSING_FIELD, "observed_at is missing", count)
    try:
        times = _times(item[TIME], item[RATE], count)
    except UnreadableError as error:
        return reject(error.reason, error.detail, count)
    bad: dict[Reason, dict[int, str]] = {}
    arrays: dict[str, NDArray[np.float64]] = {}
    for name, value in present.items():
        optional = layout.kind.field(name).optional
        arrays[name] = _samples(name, value if isinstance(value, list) else [value] * count, optional, bad)
    return _without(run, _typed(layout, named, times, arrays, number), bad, named, number)


def _samples(name: str, values: list[Any], optional: bool, bad: dict[Reason, dict[int, str]]) -> NDArray[np.float64]:
    array = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if type(value) is float or type(value) is int:
            try:
                array[i] = value
            except OverflowError:
                array[i] = np.inf if value > 0 else -np.inf
        elif value is not None:
            bad.setdefault(Reason.NOT_A_NUMBER, {}).setdefault(i, f"{name} is {_name(value)}")
        elif not optional:
            bad.setdefault(Reason.MISSING_FIELD, {}).setdefault(i, f"{name} is null")
    return array


def _without(run: Run, typed: Typed, bad: dict[Reason, dict[int, str]], sensor_id: str, number: int) -> Run:
    keep = np.ones(len(typed), np.bool_)
    for reason, samples in bad.items():
        mine = [i for i in sorted(samples) if keep[i]]
        if mine:
            keep[mine] = False
            detail = f"{len(mine)} of {len(typed)} samples, first of them {mine[0]}: {samples[mine[0]]}"
            run.faults.append(Fault(number, sensor_id, reason, detail, len(mine)))
    if keep.all():
        run.typed.append(typed)
    elif keep.any():
        kept = np.flatnonzero(keep)
        values = {name: column[kept] for name, column in typed.values.items()}
        ids = [typed.sensor_ids[0]] * len(kept)
        run.typed.append(Typed(ids, typed.observed_at[kept], values, typed.items[kept]))
    return run


def _times(start: Any, rate: Any, count: int) -> NDArray[np.int64]:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= MAX_RATE_HZ:
        raise UnreadableError(
            f"{RATE} is {_name(rate)}; allowed is a number above 0, up to {MAX_RATE_HZ:g}", Reason.WRONG_LENGTH
        )
    try:
        first = read_time(start)
    except ValueError as error:
        raise UnreadableError(str(error), Reason.BAD_TIME) from error
    span = (count - 1) * (1000.0 / rate)
    if not span < MAX_SPAN_MS:
        raise UnreadableError(f"{count} samples at {rate:g} Hz last longer than 30 years", Reason.WRONG_LENGTH)
    steps: NDArray[np.int64] = np.rint(np.arange(count) * (1000.0 / rate)).astype(np.int64)
    return steps + first


def _typed(
    layout: Layout, sensor_id: str, times: NDArray[np.int64], arrays: dict[str, NDArray[np.float64]], number: int
) -> Typed:
    count = len(times)
    values = {}
    for f in layout.fields:
        array = arrays.get(f.name)
        values[f.name] = (
            np.full(count, np.nan if array is None else float(array)) if array is None or not array.ndim else array
        )
    return Typed([sensor_id] * count, times, values, np.full(count, number, np.int64))


def _name(value: Any) -> str:
    if isinstance(value, NotANumber):
        return repr(value)
    return _KINDS_OF_JSON.get(type(value)) or str(value)[:40]
