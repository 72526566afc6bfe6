"""`riskstream replay`: the rules over readings from files, the simulator or ClickHouse. No Kafka."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from riskstream.devices.report import Duration
from riskstream.recording_options import layout_of, recording_options
from riskstream.times import Since

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.replay.compare import Difference
    from processors.replay.labels import Label, Score
    from processors.replay.outcome import AlertStory
    from processors.replay.play import Change, Standards
    from processors.replay.run import Judged
    from riskstream.replay_sources import Source
    from runtime.settings import Settings
    from schemas.kinds import Kind
    from schemas.registry import Snapshot

FORMATS = ("table", "tsv", "csv", "json")
SHOWN = ("alerts", "signals", "comparison", "changes", "events", "summary", "none")
FILE_FORMATS = ("csv", "json", "parquet")
EVER_MS = 253_370_764_800_000  # the year 9999


class _Change(click.ParamType):
    """`FIELD=NUMBER`."""

    name = "FIELD=NUMBER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, number = str(value).partition("=")
        try:
            return name.strip(), float(number)
        except ValueError:
            self.fail(f"{value!r}; allowed: FIELD=NUMBER such as level_m=1.3", param, ctx)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    files: tuple[Path, ...]
    rules: tuple[Path, ...]
    compare: Path | None
    compare_unchanged: bool
    label: Path | None
    kind: str | None
    sensor: str | None
    layout: Mapping[str, Any]
    registry: Path | None
    from_clickhouse: bool
    since: datetime | None
    until: datetime | None
    report_since: datetime | None
    report_until: datetime | None
    zone: str
    simulate: bool
    scenario: str | None
    start: datetime
    duration: float
    seed: int
    rate: float
    scale: Mapping[str, float]
    shift: Mapping[str, float]
    out: Path | None
    out_format: str
    show: str | None
    zone_level: str
    form: str | None


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE_OR_DIR",
    help="Rules to replay; by default those that the processor uses, from ClickHouse those in force at the time.",
)
@click.option(
    "--compare",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE_OR_DIR",
    help="Other rules, over the same readings: alerts gained, lost, earlier, later, higher, lower by them.",
)
@click.option(
    "--compare-unchanged",
    is_flag=True,
    help="With --scale-field or --shift-field: compare with the readings as they were.",
)
@click.option(
    "--label",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known events, CSV with from,until and any of sensor,zone,rule,name: detected, missed, false alarms a day.",
)
@click.option("--kind", default=None, help="Kind of all readings; by default the registry says each sensor's.")
@click.option("--sensor", default=None, help="With --kind: the files are recordings of this one device.")
@recording_options
@click.option(
    "--registry",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of sensors.csv and assets.csv; the sample city by default, from ClickHouse the registry as it was.",
)
@click.option("--from-clickhouse", is_flag=True, help="Replay what is stored, in the order of the log.")
@click.option("--since", type=Since(), default=None, help="From this time in the log on; the beginning by default.")
@click.option("--until", type=Since(), default=None, help="Up to this time in the log; the end by default.")
@click.option(
    "--report-since",
    type=Since(),
    default=None,
    help="Report only alerts raised from this event time on; readings before it still fill the windows.",
)
@click.option("--report-until", type=Since(), default=None, help="Report only alerts raised before this event time.")
@click.option("--zone", default="", help="From ClickHouse: only sensors in this zone and below it.")
@click.option("--scenario", default=None, help="Replay the simulated city; `quiet`, or one of riskstream simulate.")
@click.option("--start", type=Since(), default="2026-07-01T09:00:00Z", show_default=True, help="Scenario: first time.")
@click.option("--duration", type=Duration(), default="30m", show_default=True, help="Scenario: event time to play.")
@click.option("--seed", type=int, default=7, show_default=True, help="Scenario: the same seed draws the same city.")
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=1000,
    show_default=True,
    help="Scenario: most readings a second of event time, about.",
)
@click.option(
    "--scale-field", "scale", type=_Change(), multiple=True, help="Multiply a field: level_m=1.3. May be repeated."
)
@click.option("--shift-field", "shift", type=_Change(), multiple=True, help="Add to a field: level_m=0.1.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write alerts, signals and what else was asked for as files.",
)
@click.option("--out-format", type=click.Choice(FILE_FORMATS), default="csv", show_default=True)
@click.option(
    "--show",
    type=click.Choice(SHOWN),
    default=None,
    help="What to print; by default the comparison, the events, or the alerts.",
)
@click.option(
    "--zone-level",
    type=click.Choice(("city", "district", "street", "community", "grid")),
    default="street",
    show_default=True,
    help="Zones of the comparison.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: table on a terminal, otherwise tsv.")
def replay(
    files: tuple[Path, ...], scale: tuple[tuple[str, float], ...], shift: tuple[tuple[str, float], ...],
    scenario: str | None, **options: Any,
) -> None:  # fmt: skip
    """Run the rules over readings from FILES (CSV, Parquet, recordings), ClickHouse or the simulator. No Kafka.

    CSV and Parquet have the columns sensor_id, observed_at and the fields of the kinds. A summary goes to standard
    error. The same readings in the same order always give the same signals and alerts.

    \b
    Examples:
      riskstream replay readings.parquet --rules my-rules/
      riskstream replay readings.csv --rules my-rules/ --compare my-new-rules/ --label known.csv
      riskstream replay --from-clickhouse --since 7d --compare my-new-rules/ --out result/ --out-format parquet
      riskstream replay --scenario storm --scale-field rain_mm=1.3 --compare-unchanged
      riskstream replay lowering_01.csv.zip lowering_02.csv.zip --kind bridge_strain --sensor REC-STRAIN-LOWERING \\
          --column 'strain_ue=DMS_CN (um/m)' --time-format '%Y-%d-%m %H:%M:%S.%f'

    \b
    Exit status: 0 played to the end, 1 ClickHouse failed, 2 an option, a file or a rule is wrong.
    """
    taken = {name: options.pop(name) for name in Options.__dataclass_fields__ if name in options}
    _run(
        Options(
            files=files, simulate=scenario is not None, scenario=None if scenario == "quiet" else scenario,
            scale=dict(scale), shift=dict(shift), layout=options, **taken,
        )
    )  # fmt: skip


def _run(options: Options) -> None:
    from processors.replay.labels import LabelError, read_labels
    from processors.replay.play import MissingVersionError
    from processors.replay.run import judge
    from processors.replay.tables import TableError
    from processors.ruleset import RuleError
    from riskstream.devices.archive import RecordingError
    from riskstream.devices.city import CityError
    from riskstream.devices.scenarios import ScenarioError
    from riskstream.servers import require
    from runtime.settings import SettingsError, load_settings
    from schemas.kinds import KindError, load_kinds
    from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError
    from sinks.history import HistoryError

    _check(options)
    started = time.monotonic()
    try:
        settings = load_settings()
        if options.from_clickhouse:
            require(settings, "clickhouse")
        kinds = load_kinds(*settings.kinds_dirs)
        labels = read_labels(options.label) if options.label else []
        change = _change(options, kinds)
        with _opened(options, settings, kinds) as (source, standards), _bar() as progress:
            judges = [(standards, change)]
            if options.compare:
                judges.append((_standards((options.compare,), settings, kinds), change))
            elif options.compare_unchanged:
                judges.insert(0, (standards, None))
            done = judge(kinds, judges, source.registry, source.records(progress))
            note = source.note()
        for one in done:
            one.outcome.only(_ms(options.report_since), _ms(options.report_until))
    except (
        SettingsError, KindError, LabelError, TableError, RuleError, RecordingError, CityError, ScenarioError,
        HistoryError, MissingVersionError,
    ) as error:  # fmt: skip
        raise click.UsageError(str(error)) from None
    except (ClickHouseAwayError, ClickHouseRefusedError) as error:
        raise click.ClickException(str(error)) from None
    _report(options, done, labels, note, time.monotonic() - started)


def _check(options: Options) -> None:
    sources = [bool(options.files), options.from_clickhouse, options.simulate]
    if sum(sources) != 1:
        raise click.UsageError("give FILES, --from-clickhouse or --scenario, one of them")
    if options.sensor and not (options.kind and options.files):
        raise click.UsageError("--sensor says whose recordings FILES are, and needs --kind")
    if (options.since or options.until or options.zone) and not options.from_clickhouse:
        raise click.UsageError("--since, --until and --zone need --from-clickhouse")
    if options.compare_unchanged and (options.compare or not (options.scale or options.shift)):
        raise click.UsageError("--compare-unchanged needs --scale-field or --shift-field, and goes without --compare")
    if options.show in ("comparison", "changes") and not (options.compare or options.compare_unchanged):
        raise click.UsageError(f"--show {options.show} needs --compare or --compare-unchanged")
    if options.show == "events" and not options.label:
        raise click.UsageError("--show events needs --label")


def _change(options: Options, kinds: Mapping[str, Kind]) -> Change | None:
    from processors.replay.play import scaled

    if not options.scale and not options.shift:
        return None
    try:
        return scaled(kinds, options.scale, options.shift)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _standards(paths: tuple[Path, ...], settings: Settings, kinds: Mapping[str, Kind]) -> Standards:
    """The rules and couplings of files and folders, by default those that the processor uses."""
    from processors.couplings import load_couplings
    from processors.replay.play import Standards
    from processors.ruleset import load_rules
    from schemas.departments import load_departments

    chosen = list(paths) or ([settings.rules_dir] if settings.rules_dir else None)
    departments = load_departments(settings.departments_file)
    rules = load_rules(chosen, kinds, departments, timezone=settings.timezone)
    return Standards(rules, load_couplings(chosen, rules, departments))


@contextmanager
def _opened(options: Options, settings: Settings, kinds: Mapping[str, Kind]) -> Iterator[tuple[Source, Standards]]:
    """The source, and what its readings are judged by."""
    from processors.replay.play import InForce
    from schemas.departments import load_departments

    standards = _standards(options.rules, settings, kinds)
    if not options.from_clickhouse:
        yield _local(options, settings, kinds, silent=any(rule.silent for rule in standards.own)), standards
        return
    from riskstream.replay_sources import clickhouse
    from sinks.history import History, Span

    since, until = _ms(options.since) or 0, _ms(options.until) or EVER_MS
    chosen = {options.kind: _kind(options.kind, kinds)} if options.kind else kinds
    history = History(settings)
    try:
        source = clickhouse(history, chosen, Span(since, until, options.zone))
        if options.registry:
            registry = _registry(options)
            source.registry = lambda version: replace(registry, version=version)
        if not options.rules:
            departments = load_departments(settings.departments_file)
            standards = InForce(
                standards.own,
                history.rules(),
                history.modes(),
                kinds,
                departments,
                settings.timezone,
                standards.couplings,
            )
        yield source, standards
    finally:
        history.close()


def _local(options: Options, settings: Settings, kinds: Mapping[str, Kind], *, silent: bool) -> Source:
    """Files, recordings or the simulator. Without `silent` no rule is about silence."""
    from zoneinfo import ZoneInfo

    from riskstream import replay_sources as sources

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


def _ms(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)


def _kind(name: str, kinds: Mapping[str, Kind]) -> Kind:
    if name not in kinds:
        raise click.UsageError(f"unknown kind {name!r}; allowed: {', '.join(kinds)}")
    return kinds[name]


def _registry(options: Options) -> Snapshot:
    from riskstream.devices.city import load_city
    from schemas.registry import Snapshot

    city = load_city(options.registry)
    return Snapshot(1, city.sensors, city.assets)


@contextmanager
def _bar() -> Iterator[Callable[[float, float | None], object]]:
    """A progress bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replay"), BarColumn(), TaskProgressColumn(), TextColumn("{task.completed:,.0f}"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _report(options: Options, done: list[Judged], labels: list[Label], note: str, seconds: float) -> None:
    from processors.replay.compare import compare
    from processors.replay.labels import score
    from riskstream import replay_output as output
    from riskstream.output import show_rows

    # with --compare the other rules are the new ones, with --compare-unchanged the changed readings are
    shown = done[-1] if options.compare_unchanged else done[0]
    alerts = shown.stories()
    tables: dict[str, tuple[output.Rows, tuple[str, ...]]] = {
        "alerts": (output.alert_rows(alerts), output.ALERT_COLUMNS),
        "signals": (output.signal_rows(shown.outcome.signals), output.SIGNAL_COLUMNS),
        "summary": (output.summary_rows(alerts), output.SUMMARY_COLUMNS),
    }
    show = "alerts"
    marks = None
    if options.label:
        low, high = _ms(options.report_since) or 0, _ms(options.report_until) or EVER_MS
        asked = [label for label in labels if label.end >= low and label.start < high]
        marks = score(asked, alerts, shown.outcome.days)
        tables["events"] = (output.event_rows(marks), output.EVENT_COLUMNS)
        show = "events"
    differences: list[Difference] = []
    if len(done) > 1:
        differences = compare(done[0].stories(), done[1].stories())
        tables["comparison"] = (output.table_rows(differences, options.zone_level), output.TABLE_COLUMNS)
        tables["changes"] = (output.difference_rows(differences), output.DIFFERENCE_COLUMNS)
        show = "comparison"
    if (options.show or show) != "none":
        rows, columns = tables[options.show or show]
        show_rows(rows, columns, options.form)
    if options.out:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
            for name, (rows, columns) in tables.items():
                output.write_rows(options.out / f"{name}.{options.out_format}", rows, columns)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    for line in _summary(shown, alerts, differences, marks, note, seconds):
        click.echo(line, err=True)


def _summary(
    shown: Judged, alerts: list[AlertStory], differences: list[Difference], marks: Score | None, note: str,
    seconds: float,
) -> Iterator[str]:  # fmt: skip
    from processors.replay.compare import CHANGES
    from processors.replay.outcome import by_rule_and_level

    outcome = shown.outcome
    yield f"{outcome.readings:,} readings in {seconds:.1f} s ({outcome.readings / max(seconds, 1e-9):,.0f}/s)"
    left_out = {name: count for name, count in shown.counts.items() if count and name != "judged"}
    if left_out:
        yield "not judged: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in left_out.items())
    if note:
        yield note
    yield f"{len(outcome.signals):,} signals, {len(alerts):,} alerts"
    for rule, counts in by_rule_and_level(alerts).items():
        yield f"  {rule}: " + ", ".join(f"{counts[word]} {word}" for word in counts)
    if differences:
        totals = {change: sum(change in one.changes for one in differences) for change in CHANGES}
        yield "compared: " + ", ".join(f"{count} {change}" for change, count in totals.items() if count)
    if marks:
        yield (
            f"events: {marks.detected} of {len(marks.detections)} detected, {marks.missed} missed; "
            f"{len(marks.false_alarms)} false alarms in {marks.days:.1f} days ({marks.false_alarms_a_day:.2f} a day)"
        )
        if marks.median_lead_ms is not None:
            yield f"median lead time: {_duration(marks.median_lead_ms)} before the event's end"


def _duration(ms: float) -> str:
    from datetime import timedelta

    return str(timedelta(milliseconds=ms)).split(".")[0]
