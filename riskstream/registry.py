"""`riskstream registry import|export`: the registry of sensors and assets as files and as versions."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from riskstream.servers import needs, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from riskstream.registry_log import Difference, RegistryLog
    from schemas.registry_csv import RowError

EXIT_BAD_ROWS = 2
ERRORS_SHOWN = 50
MOST_REMOVED, MOST_REMOVED_SHARE = 20, 0.1


@click.group()
def registry() -> None:
    """Sensors and assets: import new versions, export any version."""


@registry.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Validate and show the difference; publish nothing.")
@click.option("--add", is_flag=True, help="Only add and change: what the files do not hold stays.")
@click.option(
    "--allow-removals",
    is_flag=True,
    help="Let an import remove more than 20 and more than 10 % of the sensors or assets.",
)
@click.option("--author", default=None, help="Who imports; the login name by default.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def import_(
    paths: tuple[Path, ...], dry_run: bool, add: bool, allow_removals: bool, author: str | None, format_: str
) -> None:
    """Import sensors.csv [assets.csv], or a folder that holds them, as a new version.

    The files are the whole registry: what they no longer hold is removed, unless --add is given. Without assets.csv the
    assets stay as they are. One bad row imports nothing; the same files again publish nothing.

    \b
    Examples:
      riskstream registry import deploy/demo
      riskstream registry import --dry-run sensors.csv assets.csv
      riskstream registry import --add new-sensors.csv

    \b
    Exit status: 0 imported or unchanged, 1 Kafka could not be used, 2 a row or a path is wrong, or too much
    would be removed.
    """
    from riskstream.registry_files import read_files, validate
    from riskstream.registry_log import RegistryLogError, publish, read_log
    from runtime.settings import SettingsError, load_settings
    from schemas.departments import load_departments
    from schemas.kinds import load_kinds
    from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC

    try:
        settings = load_settings()
        kinds, departments = load_kinds(*settings.kinds_dirs), load_departments(settings.departments_file)
        files = read_files(paths)
    except (SettingsError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    differences: dict[str, Difference] = {}

    def plan(log: RegistryLog) -> Mapping[str, Difference] | None:
        from riskstream.registry_log import Difference

        known = log.entries(ASSETS_TOPIC)
        validated = validate(files, kinds=kinds, departments=departments, known_assets=known, add=add)
        if validated.errors:
            raise _BadRowsError(validated.errors)
        present = log.entries(SENSORS_TOPIC)
        differences[SENSORS_TOPIC] = Difference.between(present, {**(present if add else {}), **validated.sensors})
        assets = known if validated.assets is None else {**(known if add else {}), **validated.assets}
        differences[ASSETS_TOPIC] = Difference.between(known, assets)
        for topic, before in ((SENSORS_TOPIC, present), (ASSETS_TOPIC, known)):
            removed = differences[topic].removed
            if not allow_removals and not dry_run and too_many_removed(removed, len(before)):
                raise _TooManyRemovedError(topic.removeprefix("registry."), removed, len(before))
        unchanged = log.whole and log.versions and not any(d.rows for d in differences.values())
        return None if unchanged or dry_run else differences

    try:
        if files.assets is not None and not add:
            # bad rows are told without Kafka, and before it is asked
            early = validate(files, kinds=kinds, departments=departments)
            if early.errors:
                raise _BadRowsError(early.errors)
        require(settings, "kafka")
        if dry_run:
            plan(read_log(settings))
            version = None
        else:
            version = publish(settings, plan, author or getpass.getuser())
    except _BadRowsError as error:
        _print_errors(error.errors, format_)
        sys.exit(EXIT_BAD_ROWS)
    except _TooManyRemovedError as error:
        raise click.UsageError(str(error)) from error
    except RegistryLogError as error:
        raise click.ClickException(str(error)) from error
    _print_differences(differences, version, dry_run, format_)


@registry.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", type=click.IntRange(min=1), default=None, help="An older version; the newest by default.")
@needs("kafka")
def export(folder: Path, version: int | None) -> None:
    """Write sensors.csv and assets.csv of a version into FOLDER.

    \b
    Examples:
      riskstream registry export city/
      riskstream registry export --version 3 city-v3/
    """
    from riskstream.registry_files import write_files
    from riskstream.registry_log import RegistryLogError, read_log
    from runtime.settings import SettingsError, load_settings

    try:
        snapshot = read_log(load_settings()).snapshot(version)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except RegistryLogError as error:
        raise click.ClickException(str(error)) from error
    try:
        sensors, assets = write_files(folder, snapshot.sensors, snapshot.assets)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"version {snapshot.version}: {len(snapshot.sensors)} sensors in {sensors}, "
               f"{len(snapshot.assets)} assets in {assets}")  # fmt: skip


def too_many_removed(removed: int, before: int) -> bool:
    """Whether an import removes so much that it rather is a wrong file."""
    return removed > MOST_REMOVED and removed > MOST_REMOVED_SHARE * before


class _TooManyRemovedError(Exception):
    def __init__(self, what: str, removed: int, before: int) -> None:
        super().__init__(
            f"this would remove {removed:,} of {before:,} {what}; nothing was imported. The files are the whole "
            "registry: --add keeps what they do not hold, --allow-removals removes it"
        )


class _BadRowsError(Exception):
    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def _print_errors(errors: Sequence[RowError], format_: str) -> None:
    if format_ == "json":
        keys = ("file", "line", "column", "reason")
        click.echo(json.dumps({"errors": [{key: getattr(e, key) for key in keys} for e in errors]}, ensure_ascii=False))
    for error in errors[:ERRORS_SHOWN] if format_ == "text" else ():
        click.echo(str(error), err=True)
    more = f" (the first {ERRORS_SHOWN} are shown)" if format_ == "text" and len(errors) > ERRORS_SHOWN else ""
    click.echo(f"{len(errors)} error{'s'[: len(errors) != 1]}{more}; nothing was imported", err=True)


def _print_differences(differences: Mapping[str, Difference], version: int | None, dry_run: bool, format_: str) -> None:
    counts = {
        topic.removeprefix("registry."): {"added": d.added, "changed": d.changed, "removed": d.removed}
        for topic, d in differences.items()
    }
    if format_ == "json":
        click.echo(json.dumps({"version": version, "dry_run": dry_run, **counts}))
        return
    click.echo(f"{'':8} {'added':>8} {'changed':>8} {'removed':>8}")
    for name, count in counts.items():
        click.echo(f"{name:8} {count['added']:8} {count['changed']:8} {count['removed']:8}")
    if dry_run:
        click.echo("dry run: nothing was imported")
    else:
        click.echo(f"imported as version {version}" if version else "nothing changed: no new version")
