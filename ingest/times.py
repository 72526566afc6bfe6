"""Times of observation: RFC 3339 with an offset, or epoch milliseconds, to ms UTC.

A column of times of one written form (what a device sends) is read by numpy; whatever is left over is read one at a
time by `read_time`, which alone decides what is allowed. Fractions finer than a millisecond are cut off. A leap second
(`:60`) is the first instant of the next minute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARLIEST_MS = 365 * 86_400_000
"""1971-01-01: epoch *seconds* of our days read as milliseconds fall before it, and so are noticed."""
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:([Zz])|([+-])(\d{2}):(\d{2}))", re.ASCII
)
_EPOCH = date(1970, 1, 1).toordinal()
_ALLOWED = "allowed are RFC 3339 with an offset, such as 2026-07-01T12:00:00.250Z, or epoch milliseconds"


def read_time(value: Any) -> int:
    """The time in ms UTC. Raises ValueError saying what is wrong and what is allowed."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"observed_at {value!r} is no time; {_ALLOWED}")
    if isinstance(value, int | float):
        return _read_epoch(value)
    if not isinstance(value, str):
        raise ValueError(f"observed_at is of the JSON type {type(value).__name__}; {_ALLOWED}")
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise ValueError(f"observed_at {value[:40]!r} cannot be read; {_ALLOWED}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, _, sign, offset_hour, offset_minute = match.groups()[6:]
    offset = 60 * int(offset_hour or 0) + int(offset_minute or 0)
    if hour > 23 or minute > 59 or second > 60 or offset >= 24 * 60 or int(offset_minute or 0) > 59:
        raise ValueError(f"observed_at {value[:40]!r} is not a time of day")
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError as error:
        raise ValueError(f"observed_at {value[:40]!r} is not a date: {error}") from error
    minutes = days * 1440 + hour * 60 + minute - (-offset if sign == "-" else offset)
    return _bounded(minutes * 60_000 + second * 1000 + int(((fraction or "") + "000")[:3]), value)


def _read_epoch(value: int | float) -> int:
    if not float("-inf") < value < float("inf") or value != int(value):
        raise ValueError(f"observed_at {value!r} is not a whole number of milliseconds; {_ALLOWED}")
    return _bounded(int(value), value)


def _bounded(ms: int, written: Any) -> int:
    if ms < EARLIEST_MS:
        hint = " (epoch seconds? milliseconds are expected)" if isinstance(written, int | float) else ""
        raise ValueError(f"observed_at {written!r} lies before 1971-01-01{hint}")
    if ms > LATEST_MS:
        raise ValueError(f"observed_at {str(written)[:40]} lies after the year 9999")
    return ms


def read_times(column: Sequence[Any]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Times in ms UTC of a column of JSON values, and what is wrong by row (whose time is then 0)."""
    types = set(map(type, column))
    if types == {int}:
        try:
            times = np.array(column, dtype=np.int64)
        except OverflowError:
            return _one_by_one(column, range(len(column)), np.zeros(len(column), np.int64))
        doubtful = np.flatnonzero((times < EARLIEST_MS) | (times > LATEST_MS))
        return _one_by_one(column, doubtful.tolist(), times)
    if types == {str}:
        return _read_texts(column)
    return _one_by_one(column, range(len(column)), np.zeros(len(column), np.int64))


def _one_by_one(
    column: Sequence[Any], rows: Sequence[int], times: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[int, str]]:
    wrong: dict[int, str] = {}
    for row in rows:
        try:
            times[row] = read_time(column[row])
        except ValueError as error:
            times[row] = 0
            wrong[row] = str(error)
    return times, wrong


def _read_texts(column: Sequence[str]) -> tuple[NDArray[np.int64], dict[int, str]]:
    times = np.zeros(len(column), np.int64)
    lengths = np.fromiter(map(len, column), np.int64, len(column))
    left: list[int] = []
    distinct = [lengths[0]] if (lengths == lengths[0]).all() else np.unique(lengths)
    for length in distinct:
        if len(distinct) == 1:
            rows, texts = None, column
        else:
            rows = np.flatnonzero(lengths == length)
            texts = [column[row] for row in rows.tolist()]
        read = _read_same_length(texts, int(length))
        if read is None:
            left.extend(range(len(column)) if rows is None else rows.tolist())
        elif rows is None:
            times = read
        else:
            times[rows] = read
    # rows that were not read have time 0, and so are among the doubtful ones
    times[left] = 0
    doubtful = np.flatnonzero((times < EARLIEST_MS) | (times > LATEST_MS))
    return _one_by_one(column, doubtful.tolist(), times)


_TIME_OF_DAY = np.array([36_000_000, 3_600_000, 0, 600_000, 60_000, 0, 10_000, 1_000], np.int64)


def _read_same_length(texts: Sequence[str], length: int) -> NDArray[np.int64] | None:
    """Times that are all written alike, such as 2026-07-01T12:00:00.250Z; None when any of them is not."""
    if length < 20:
        return None
    try:
        raw = "".join(texts).encode("ascii")
    except UnicodeEncodeError:
        return None
    chars = np.frombuffer(raw, np.uint8).reshape(len(texts), length)
    first = chars[0]
    zone = 1 if first[-1] == ord("Z") else 6
    end = length - zone
    marks = [10, 13, 16, *([19] if end > 19 else []), *range(end, length)]
    shape = first[marks]
    if (chars[:, marks] != shape).any() or end == 20 or end < 19:  # one offset for all of them
        return None
    if shape[:3].tobytes() != b"T::" or (end > 19 and first[19] != ord(".")):
        return None
    offset = 0 if zone == 1 else _offset_ms(first[end:].tobytes())
    digits = chars[:, 11:end] - np.uint8(48)
    digits[:, [2, 5]] = 0
    if end > 19:
        digits[:, 8] = 0
    if offset is None or (digits > 9).any():
        return None
    hours = digits[:, 0] * 10 + digits[:, 1]
    if (hours > 23).any() or (digits[:, 3] > 5).any() or (digits[:, 6] > 5).any():
        return None
    days = _read_days(chars[:, :10])
    if days is None:
        return None
    times = days + digits[:, :8] @ _TIME_OF_DAY
    for place, weight in zip(range(9, min(12, end - 11)), (100, 10, 1), strict=False):
        times += digits[:, place].astype(np.int64) * weight
    return np.asarray(times - offset, np.int64)


def _offset_ms(text: bytes) -> int | None:
    match = re.fullmatch(rb"([+-])([01]\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        return None
    minutes = 60 * int(match[2]) + int(match[3])
    return (-minutes if match[1] == b"-" else minutes) * 60_000


def _read_days(chars: NDArray[np.uint8]) -> NDArray[np.int64] | int | None:
    if (chars == chars[0]).all():
        return _day_ms(chars[0].tobytes())
    texts, where = np.unique(np.ascontiguousarray(chars).view("S10").ravel(), return_inverse=True)
    days = [_day_ms(text) for text in texts.tolist()]
    if None in days:
        return None
    return np.array(days, np.int64)[where]


def _day_ms(text: bytes) -> int | None:
    if not re.fullmatch(rb"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return (date.fromisoformat(text.decode()).toordinal() - _EPOCH) * 86_400_000
    except ValueError:
        return None
