"""`riskstream replay`: the rules over readings from files, the simulator or ClickHouse. No Kafka."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from riskstream.devices.report import Duration
from riskstream.recording_options import recording_options
from riskstream.replay.options import Options, ms
from riskstream.times import Since

FORMATS = ("table", "tsv", "csv", "json")
SHOWN = ("alerts", "signals", "comparison", "changes", "events", "summary", "none")
FILE_FORMATS = ("csv", "json", "parquet")


class _Change(click.ParamType):
    """`FIELD=NUMBER`."""

    name = "FIELD=NUMBER"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, number = str(value).partition("=")
        try:
            return name.strip(), float(number)
        except ValueError:
            self.fail(f"{value!r}; allowed: FIELD=NUMBER such as level_m=1.3", param, ctx)


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
    from riskstream.replay.opening import change_of, opened, standards_of
    from riskstream.replay.report import report
    from riskstream.servers import require
    from runtime.settings import SettingsError, load_settings
    from schemas.kinds import KindError, load_kinds
    from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError
    from sinks.history import HistoryError

    options.check()
    started = time.monotonic()
    try:
        settings = load_settings()
        if options.from_clickhouse:
            require(settings, "clickhouse")
        kinds = load_kinds(*settings.kinds_dirs)
        labels = read_labels(options.label) if options.label else []
        change = change_of(options, kinds)
        with opened(options, settings, kinds) as (source, standards), _bar() as progress:
            judges = [(standards, change)]
            if options.compare:
                judges.append((standards_of((options.compare,), settings, kinds), change))
            elif options.compare_unchanged:
                judges.insert(0, (standards, None))
            done = judge(kinds, judges, source.registry, source.records(progress))
            note = source.note()
        for one in done:
            one.outcome.only(ms(options.report_since), ms(options.report_until))
    except (
        SettingsError, KindError, LabelError, TableError, RuleError, RecordingError, CityError, ScenarioError,
        HistoryError, MissingVersionError,
    ) as error:  # fmt: skip
        raise click.UsageError(str(error)) from None
    except (ClickHouseAwayError, ClickHouseRefusedError) as error:
        raise click.ClickException(str(error)) from None
    report(options, done, labels, note, time.monotonic() - started)


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
