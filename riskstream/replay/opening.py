"""From options to what is replayed: readings, registry, rules and couplings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from processors.replay.play import Change, InForce, Standards, scaled
from processors.standard_files import load_standard
from riskstream.devices.city import load_city
from riskstream.recording_options import layout_of
from riskstream.replay import sources
from riskstream.replay.options import EVER_MS, Options, ms
from riskstream.replay.sources import Source
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import Kind
from schemas.registry import Snapshot
from sinks.history import History, Span


def change_of(options: Options, kinds: Mapping[str, Kind]) -> Change | None:
    """How the readings are changed; None: not at all. Raises click.UsageError."""
    if not options.scale and not options.shift:
        return None
    try:
        return scaled(kinds, options.scale, options.shift)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def standards_of(paths: tuple[Path, ...], settings: Settings, kinds: Mapping[str, Kind]) -> Standards:
    """What files and folders say, by default what the processor uses."""
    chosen = list(paths) or ([settings.rules_dir] if settings.rules_dir else None)
    departments = load_departments(settings.departments_file)
    return Standards(load_standard(chosen, kinds, departments, timezone=settings.timezone))


@contextmanager
def opened(options: Options, settings: Settings, kinds: Mapping[str, Kind]) -> Iterator[tuple[Source, Standards]]:
    """The source, and what its readings are judged by."""
    standards = standards_of(options.rules, settings, kinds)
    if not options.from_clickhouse:
        yield _local(options, settings, kinds, silent=any(rule.silent for rule in standards.own.rules)), standards
        return
    since, until = ms(options.since) or 0, ms(options.until) or EVER_MS
    chosen = {options.kind: _kind(options.kind, kinds)} if options.kind else kinds
    history = History(settings)
    try:
        source = sources.clickhouse(history, chosen, Span(since, until, options.zone))
        if options.registry:
            registry = _registry(options)
            source.registry = lambda version: replace(registry, version=version)
        if not options.rules:
            departments = load_departments(settings.departments_file)
            standards = InForce(
                standards.own, history.rules(), history.modes(), kinds, departments, settings.timezone
            )  # fmt: skip
        yield source, standards
    finally:
        history.close()


def _local(options: Options, settings: Settings, kinds: Mapping[str, Kind], *, silent: bool) -> Source:
    """Files, recordings or the simulator. Without `silent` no rule is about silence."""
    registry = _registry(options)
    if options.kind:
        _kind(options.kind, kinds)
    if options.simulate:
        offset = options.start.astimezone(ZoneInfo(settings.timezone)).utcoffset()
        return sources.scenario(
            options.scenario, kinds, registry, start_ms=round(options.start.timestamp() * 1000),
            duration_s=options.duration, seed=options.seed, rate=options.rate,
            utc_offset_ms=round(offset.total_seconds() * 1000) if offset else 0,
        )  # fmt: skip
    cut = silent or options.compare is not None
    if options.kind is None or options.sensor is None:
        return sources.files(options.files, kinds, registry, options.kind, cut=cut)
    known = registry.sensors.get(options.sensor)
    if known is None or known.kind != options.kind:
        raise click.UsageError(
            f"{options.sensor} is not a {options.kind} sensor of the registry: --registry names the folder of a "
            "sensors.csv that has it"
        )
    layout = layout_of(**options.layout)
    return sources.recording(options.files, kinds, registry, options.kind, options.sensor, layout, cut=cut)


def _kind(name: str, kinds: Mapping[str, Kind]) -> Kind:
    if name not in kinds:
        raise click.UsageError(f"unknown kind {name!r}; allowed: {', '.join(kinds)}")
    return kinds[name]


def _registry(options: Options) -> Snapshot:
    city = load_city(options.registry)
    return Snapshot(1, city.sensors, city.assets)
