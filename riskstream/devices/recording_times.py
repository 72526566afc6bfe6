"""The times of a recording: a column of texts or numbers to epoch milliseconds, UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

import numpy as np

from riskstream.devices.archive import RecordingError
from riskstream.devices.noise import Ints

ISO, ELAPSED, EPOCH_S, EPOCH_MS = "iso", "elapsed", "epoch", "epoch-ms"
FORMATS = (ISO, ELAPSED, EPOCH_S, EPOCH_MS)
_FACTOR = {ELAPSED: 1000.0, EPOCH_S: 1000.0, EPOCH_MS: 1.0}


def parse_time(text: str, format_: str, zone: tzinfo) -> int:
    """One time in ms UTC; a time without an offset is in `zone`. Raises ValueError saying what is allowed."""
    text = " ".join(text.split())
    if format_ in (EPOCH_S, EPOCH_MS):
        return round(float(text) * _FACTOR[format_])
    if format_ == ISO:
        time = datetime.fromisoformat(text)
    else:
        # %f of strptime takes six digits at most
        time = datetime.strptime(re.sub(r"(\.\d{6})\d+", r"\1", text), format_)
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return round(time.astimezone(UTC).timestamp() * 1000)


def parse_times(
    texts: Sequence[str], format_: str, zone: tzinfo, start_ms: int | None, where: Callable[[int], str]
) -> Ints:
    """The times of all rows in ms UTC; `where(row)` names a row for errors. Raises RecordingError."""
    times = np.empty(len(texts), np.int64)
    if format_ == ELAPSED and start_ms is None:
        raise RecordingError(
            "elapsed times need a start: --start-time, or --start-time-regex to find it in the header lines"
        )
    for row, text in enumerate(texts):
        try:
            if format_ == ELAPSED:
                times[row] = (start_ms or 0) + round(float(text) * _FACTOR[ELAPSED])
            else:
                times[row] = parse_time(text, format_, zone)
        except (ValueError, OverflowError) as error:
            raise RecordingError(
                f"{where(row)}: {text!r} is not a time of the format {format_!r} ({error}); allowed: {allowed()}"
            ) from error
    return times


def find_start(header: str, regex: str, format_: str, zone: tzinfo) -> int:
    """The start time that stands in the header lines, in ms UTC; the regex's first group if it has one.

    Raises RecordingError.
    """
    try:
        match = re.search(regex, header, re.MULTILINE)
    except re.error as error:
        raise RecordingError(f"--start-time-regex {regex!r}: {error}") from error
    if match is None:
        raise RecordingError(f"--start-time-regex {regex!r} is nowhere in the skipped header lines")
    text = match[1] if match.re.groups else match[0]
    try:
        return parse_time(text, format_, zone)
    except ValueError as error:
        raise RecordingError(f"the start time {text!r} does not fit --start-format {format_!r}: {error}") from error


def allowed() -> str:
    return f"{', '.join(FORMATS)}, or a format of strptime such as '%d/%m/%Y %H:%M:%S.%f'"
