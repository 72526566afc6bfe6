"""Plays a series as its device would send it.

Moved to now, the newest reading ends up at the moment when it is sent, and all others keep their distance to it; so
nothing is in the future, and at speed N a reading is (1 − 1/N) of its distance to the newest old when it is sent (at
speed max: all of it). What is then older than the kind's `max_delay_s` will be stored as late and not judged:
`late_when_sent` says how many before anything is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from riskstream.devices.counts import Counts
from riskstream.devices.recording import Series
from riskstream.devices.transport import Item, Transport
from schemas.kinds import Kind

RUN_RATE_HZ = 10.0
"""Series at least this fast are sent as runs of samples."""
MAX_SPEED = np.inf


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent at once: `last` is the number of its last reading in the series."""

    items: list[Item]
    readings: int
    last: int


def moved(series: Series, now_ms: int, speed: float) -> Series:
    """The series moved so that a play that starts now at this speed ends with the newest reading at now."""
    span_ms = int(series.observed_at.max() - series.observed_at.min())
    end_ms = now_ms + (0 if np.isinf(speed) else round(span_ms / speed))
    return Series(series.observed_at - series.observed_at.max() + end_ms, series.values, series.skipped)


def duration_s(series: Series, speed: float) -> float:
    """How long a play at this speed takes on the clock."""
    return float(series.observed_at.max() - series.observed_at.min()) / 1000 / speed


def late_when_sent(series: Series, kind: Kind, speed: float) -> int:
    """How many readings, moved to now, are older than the kind's `max_delay_s` when they are sent."""
    behind_ms = (series.observed_at.max() - series.observed_at) * (1.0 if np.isinf(speed) else 1 - 1 / speed)
    return int(np.count_nonzero(behind_ms > kind.max_delay_s * 1000))


def sample_rate_hz(series: Series) -> float | None:
    """The rate of a series that is sampled evenly and fast enough for runs; else None."""
    if len(series) < 3:
        return None
    steps = np.diff(series.observed_at)
    middle = float(np.median(steps))
    if not 0 < middle <= 1000 / RUN_RATE_HZ:
        return None
    even = np.abs(steps - middle) <= max(1.0, middle / 2)
    if np.count_nonzero(even) < len(steps) / 2:
        return None
    rate = 1000.0 * np.count_nonzero(even) / float(steps[even].sum())
    whole = round(rate)
    return min(1000.0, float(whole) if abs(rate - whole) < 0.02 * rate else rate)


def parts_of(series: Series, longest: int) -> Iterator[Part]:
    """The series cut into runs of samples, or into arrays of readings, of at most `longest` readings.

    A sample of a run is never moved by more than half a sampling interval; where it would be, a new run starts.
    """
    rate = sample_rate_hz(series)
    if rate is None:
        yield from _arrays(series, longest)
        return
    step = 1000.0 / rate
    columns = {name: _column(column.tolist()) for name, column in series.values.items()}
    first = 0
    while first < len(series):
        times = series.observed_at[first : first + longest]
        off = np.abs(times - times[0] - np.arange(len(times)) * step) > step / 2
        length = int(off.argmax()) if off.any() else len(times)
        item: dict[str, object] = {"observed_at": int(times[0]), "sample_rate_hz": rate}
        item |= {name: column[first : first + length] for name, column in columns.items()}
        yield Part([item], length, first + length - 1)
        first += length


def play_series(
    series: Series,
    kind: Kind,
    sensor_id: str,
    transport: Transport,
    name: str,
    *,
    speed: float = 1.0,
    move: bool = True,
    on_progress: Callable[[int, int, Counts], None] | None = None,
    stop: threading.Event | None = None,
) -> Counts:
    """Send the series and return what became of every reading.

    `speed` is event time against the clock, MAX_SPEED as fast as it is accepted. Without `move` the recorded times are
    sent as they are. `stop` ends the play early. Raises TransportError.
    """
    stop = stop or threading.Event()
    counts = Counts({name: transport.counts})
    began, clock = int(series.observed_at.min()), time.monotonic()
    # as a device would: a second of samples at a time, or reading by reading
    rate = sample_rate_hz(series)
    longest = 500 if np.isinf(speed) else max(1, round((rate or 0) * max(1.0, min(speed, 5.0))))
    due_s = (series.observed_at - began) / 1000 / speed
    sent = series if not move else moved(series, round(time.time() * 1000), speed)
    try:
        for part in parts_of(sent, longest):
            wait = float(due_s[part.last]) - (time.monotonic() - clock)
            if wait > 0:
                transport.flush()
                stop.wait(wait)
            if stop.is_set():
                break
            transport.put(kind.name, sensor_id, part.items, part.readings)
            if on_progress:
                on_progress(part.last + 1, len(series), counts)
    finally:
        transport.finish(60)
    if on_progress:
        on_progress(len(series), len(series), counts)
    return counts


def _arrays(series: Series, longest: int) -> Iterator[Part]:
    columns = {name: _column(column.tolist()) for name, column in series.values.items()}
    times = series.observed_at.tolist()
    for first in range(0, len(times), longest):
        rows = range(first, min(first + longest, len(times)))
        items: list[Item] = [
            {"observed_at": times[row], **{name: c[row] for name, c in columns.items() if c[row] is not None}}
            for row in rows
        ]
        yield Part(items, len(items), rows[-1])


def _column(values: list[float]) -> list[float | None]:
    return [None if value != value else value for value in values]
