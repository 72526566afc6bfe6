"""Where the log of a replay comes from: files, a recorded device, the simulator, or ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from processors.replay.tables import ROWS, FileLog, rows_of
from riskstream.devices.recording import Layout, join, read_recording
from riskstream.devices.scenarios import scenario_named
from riskstream.devices.simulator import Readings, Runs, Simulator
from schemas.kinds import Kind
from schemas.log import LogRecord
from schemas.registry import Snapshot

if TYPE_CHECKING:
    from sinks.history import History, Span

STEP_MS = 10_000

Progress = Callable[[float, float | None], object]
"""Called with what is done and, where it is known, the whole."""


@dataclass(slots=True)
class Source:
    """A log to play. `registry(version)` gives the registry of a version, `note` is what people should know of it."""

    records: Callable[[Progress], Iterator[LogRecord]]
    registry: Callable[[int], Snapshot]
    note: Callable[[], str] = lambda: ""


def files(
    paths: Sequence[Path], kinds: Mapping[str, Kind], registry: Snapshot, kind: str | None, *, cut: bool
) -> Source:
    """CSV and Parquet files with a column `sensor_id`, one after another."""
    log = FileLog(kinds, registry, kind, cut=cut)

    def records(progress: Progress) -> Iterator[LogRecord]:
        sizes = [rows_of(path) for path in paths]
        total = None if None in sizes else float(sum(size or 0 for size in sizes))
        for path in paths:
            yield from log.records(path, lambda done: progress(done, total))

    def note() -> str:
        return f"{log.unknown:,} rows of sensors that are not registered" if log.unknown else ""

    return Source(records, lambda _: registry, note)


def recording(
    paths: Sequence[Path], kinds: Mapping[str, Kind], registry: Snapshot, kind: str, sensor_id: str, layout: Layout,
    *, cut: bool,
) -> Source:  # fmt: skip
    """Recorded files of one device, as one series. Raises `RecordingError`."""
    series = join([read_recording(path, kinds[kind], layout) for path in paths])
    log = FileLog(kinds, registry, kind, cut=cut)
    nothing = np.full(len(series), np.nan)
    values = {field.name: series.values.get(field.name, nothing) for field in kinds[kind].fields}

    def records(progress: Progress) -> Iterator[LogRecord]:
        for start in range(0, len(series), ROWS):
            rows = slice(start, start + ROWS)
            at = series.observed_at[rows]
            part = {name: column[rows] for name, column in values.items()}
            yield from log.pieces(kinds[kind], [sensor_id], np.zeros(len(at), np.int32), at, part)
            progress(min(start + ROWS, len(series)), len(series))

    def note() -> str:
        return f"{series.skipped:,} rows without a value are skipped" if series.skipped else ""

    return Source(records, lambda _: registry, note)


def scenario(
    name: str | None, kinds: Mapping[str, Kind], registry: Snapshot, *, start_ms: int, duration_s: float, seed: int,
    rate: float, utc_offset_ms: int,
) -> Source:  # fmt: skip
    """The simulated city, thinned to about `rate` readings/s of event time; without a name nothing happens in it.

    A tick every 10 s stands for what a processor writes when a partition is idle. Raises `ScenarioError`.
    """
    simulator = Simulator(
        registry.sensors.values(), registry.assets, kinds, seed=seed,
        scenario=scenario_named(name) if name else None, start_ms=start_ms, utc_offset_ms=utc_offset_ms,
    )  # fmt: skip
    simulator.limit(rate)
    log = FileLog(kinds, registry)
    ids = {kind: [sensor.sensor_id for sensor in fleet.sensors] for kind, fleet in simulator.fleets.items()}
    end_ms = start_ms + round(duration_s * 1000)

    def records(progress: Progress) -> Iterator[LogRecord]:
        for at in range(start_ms, end_ms, STEP_MS):
            until = min(at + STEP_MS, end_ms)
            seen = set()
            for sent in simulator.step(at, until):
                kind = sent.fleet.kind
                sensor, times, values = _columns(sent)
                received = np.full(len(times), until, np.int64)
                seen.add(kind.name)
                yield log.record(kind, ids[kind.name], sensor, times, values, received)
            for silent in simulator.fleets.keys() - seen:
                yield log.tick(kinds[silent], until)
            progress(until - start_ms, end_ms - start_ms)

    return Source(records, lambda _: registry)


def clickhouse(history: History, kinds: Mapping[str, Kind], span: Span) -> Source:
    """What ClickHouse has of the log, partition by partition, each in log order."""
    parts = history.parts(kinds, span)

    def records(progress: Progress) -> Iterator[LogRecord]:
        done, total = 0, sum(part.rows for part in parts)
        for part in parts:
            for record in history.records(kinds[part.kind], part, span):
                yield record
                done += len(record.batch)
                progress(done, total)

    return Source(records, history.registry)


def _columns(sent: Readings | Runs) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Sensor, times and all fields of the kind, a reading a row."""
    if isinstance(sent, Readings):
        sensor, times, values = sent.sensor, sent.observed_at, dict(sent.values)
    else:
        count = next(iter(sent.values.values())).shape[1]
        steps = np.round(np.arange(count) * 1000 / sent.rate_hz).astype(np.int64)
        sensor, times = np.repeat(sent.sensor, count), (sent.observed_at[:, None] + steps).ravel()
        values = {name: column.ravel() for name, column in sent.values.items()}
    for field in sent.fleet.kind.fields:
        values.setdefault(field.name, np.full(len(sensor), np.nan))
    return sensor.astype(np.int32), times, values
