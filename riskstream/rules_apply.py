"""`riskstream rules apply|history|diff|rollback|status`: versions of the rules, changed while everything runs."""

from __future__ import annotations

import getpass
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from riskstream.output import form_option, show_rows
from riskstream.servers import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from processors.core.rules import RuleSet
    from processors.rule_tests import Played
    from runtime.settings import Settings
    from schemas.kinds import Kind
    from schemas.rule_versions import RuleFiles

    Plan = Callable[[list[RuleFiles]], RuleFiles | None]

EXIT_FAILED = 1
EXIT_BAD_RULES = 2

_author = click.option("--author", default=None, help="Who applies it; the login name by default.")
_reason = click.option("--reason", required=True, help="Why; kept with the version.")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_reason
@_author
@click.option("--dry-run", is_flag=True, help="Check, test and show the difference; publish nothing.")
@needs("kafka")
def apply(paths: tuple[Path, ...], reason: str, author: str | None, dry_run: bool) -> None:
    """Check rules, play their tests, show what they change, and publish them as the next version.

    A folder is the whole set: what it does not hold is removed. Files take the place of those of the same name in the
    newest version; the others stay. Without either: the rules that the processor starts with. Running processors
    switch within seconds, each partition at one point of its log.

    \b
    Examples:
      riskstream rules apply my-rules/ --reason "summer thresholds"
      riskstream rules apply my-rules/gas.yaml --reason "blue at 1.75 kPa, order 12/2026" --author li

    \b
    Exit status: 0 published or unchanged, 1 a test failed or Kafka could not be used, 2 the rules are not good.
    """
    from riskstream.rule_changes import reused_versions, same

    context = _Context.load()
    given = _read_files(paths, context)

    def plan(versions: list[RuleFiles]) -> RuleFiles | None:
        before = versions[-1].files if versions else context.own_files()
        after = given if not paths or any(path.is_dir() for path in paths) else {**before, **given}
        rules = context.compiled(after)
        earlier = {0: context.own_files(), **{one.version: one.files for one in versions}}
        faults = reused_versions(after, earlier)
        if faults:
            _refuse(faults, "the rules are not applied")
        _play(paths, rules, context)
        _warn_of_couplings(rules, context)
        _say_changes(before, after)
        if versions and same(before, after):
            return None
        return None if dry_run else _version(versions, author, reason, after)

    published = _publish(context.settings, plan)
    if dry_run:
        click.echo("dry run: nothing is applied")
    else:
        click.echo(f"applied as version {published.version}" if published else "nothing changed: no new version")


@click.command()
@click.argument("version", type=click.IntRange(min=0))
@_reason
@_author
@needs("kafka")
def rollback(version: int, reason: str, author: str | None) -> None:
    """Publish what VERSION holds as a new version.

    Nothing is ever removed from the history: a rollback of a rollback works the same. Version 0 are the rules that the
    processor starts with.

    \b
    Examples:
      riskstream rules rollback 3 --reason "too many alerts since version 4"

    \b
    Exit status: 0 published or unchanged, 1 there is no such version or Kafka could not be used, 2 this release
    cannot compile it.
    """
    from riskstream.rule_changes import same

    context = _Context.load()

    def plan(versions: list[RuleFiles]) -> RuleFiles | None:
        before = versions[-1].files if versions else context.own_files()
        after = _files_of(version, versions, context)
        context.compiled(after)
        _say_changes(before, after)
        return None if same(before, after) else _version(versions, author, reason, after)

    published = _publish(context.settings, plan)
    click.echo(
        f"version {version} is applied as version {published.version}"
        if published
        else f"what runs is what version {version} holds: no new version"
    )


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", type=click.IntRange(min=0), default=None, help="An older version; the newest by default.")
@needs("kafka")
def export(folder: Path, version: int | None) -> None:
    """Write the files of a version into FOLDER, to be edited and applied.

    Version 0 are the rules that the processor starts with; their stories (*.test.yaml) are written beside them. Files
    that are there already are replaced.

    \b
    Examples:
      riskstream rules export my-rules
      riskstream rules export --version 3 rules-v3
    """
    from processors.ruleset import files_of

    context = _Context.load()
    versions = _versions(context.settings)
    if version is None:
        version = versions[-1].version if versions else 0
    texts = dict(_files_of(version, versions, context))
    if version == 0:
        default = [context.settings.rules_dir] if context.settings.rules_dir else None
        texts |= {path.name: path.read_text(encoding="utf-8") for path in files_of(default, tests=True)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / Path(name).name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"version {version}: {len(texts)} files in {folder}")


@click.command()
@form_option
@needs("kafka")
def history(form: str | None) -> None:
    """List the versions that were applied, the newest first.

    \b
    Examples:
      riskstream rules history
      riskstream rules history --format json
    """
    from riskstream.rule_changes import rule_changes

    context = _Context.load()
    before, rows = context.own_files(), []
    for one in _versions(context.settings):
        changes = [f"{change.what} {change.rule_id}" for change in rule_changes(before, one.files)]
        before = one.files
        rows.append(
            {
                "version": one.version, "applied_at": datetime.fromtimestamp(one.applied_at / 1000, UTC),
                "author": one.author, "reason": one.reason, "changes": changes,
            }
        )  # fmt: skip
    if not rows and sys.stdout.isatty():
        click.echo("nothing was applied yet: the processor judges by the rules that it starts with (version 0)")
        return
    show_rows(rows[::-1], ["version", "applied_at", "author", "reason", "changes"], form)


@click.command()
@click.argument("before", type=click.IntRange(min=0))
@click.argument("after", type=click.IntRange(min=0))
@click.option("--text", is_flag=True, help="The files' lines instead of the rules.")
@needs("kafka")
def diff(before: int, after: int, text: bool) -> None:
    """Show what version AFTER changes against BEFORE; 0 is the rules that the processor starts with.

    \b
    Examples:
      riskstream rules diff 0 1
      riskstream rules diff 3 4 --text
    """
    from riskstream.rule_changes import text_diff

    context = _Context.load()
    versions = _versions(context.settings)
    old, new = _files_of(before, versions, context), _files_of(after, versions, context)
    if text:
        click.echo(text_diff(old, new, (f"version {before}", f"version {after}")), nl=False)
    else:
        _say_changes(old, new)


@click.command()
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@needs("kafka", "clickhouse")
def status(format_: str) -> None:
    """Show the newest version, and which versions the partitions of the readings have switched to.

    The partitions are read from ClickHouse (control_log), which follows within a second or two.

    \b
    Examples:
      riskstream rules status
    """
    from riskstream.clickhouse_http import QueryError, ask

    context = _Context.load()
    versions = _versions(context.settings)
    newest = versions[-1] if versions else None
    query = (
        "SELECT kind, version, count() AS partitions FROM (SELECT kind, log_partition, "
        "max(toUInt32OrZero(extract(control, '^rules=([0-9]+)$'))) AS version "
        "FROM control_log GROUP BY kind, log_partition) GROUP BY kind, version ORDER BY kind, version"
    )
    problem, in_force = "", []
    try:
        lines = ask(context.settings, query, "JSONEachRow").text.splitlines()
        in_force = [json.loads(line) for line in lines]
    except QueryError as error:
        problem = str(error)
    if format_ == "json":
        shown = {"version": newest.version, "author": newest.author, "reason": newest.reason} if newest else {}
        click.echo(json.dumps({"newest": shown or {"version": 0}, "partitions": in_force, "problem": problem}))
        return
    if newest is None:
        click.echo("nothing was applied: version 0, the rules that the processor starts with")
    else:
        when = datetime.fromtimestamp(newest.applied_at / 1000, UTC).isoformat(timespec="seconds")
        click.echo(f"version {newest.version}, applied by {newest.author} at {when}: {newest.reason}")
    for row in in_force:
        click.echo(f"{row['kind']:24} version {row['version']} in {row['partitions']} partitions")
    if problem:
        click.echo(f"which partitions have switched is not known: {problem}", err=True)


@dataclass(frozen=True, slots=True)
class _Context:
    settings: Settings
    kinds: Mapping[str, Kind]
    departments: Collection[str]

    @classmethod
    def load(cls) -> _Context:
        from runtime.settings import SettingsError, load_settings
        from schemas.departments import load_departments
        from schemas.kinds import load_kinds

        try:
            settings = load_settings()
            return cls(settings, load_kinds(*settings.kinds_dirs), load_departments(settings.departments_file))
        except (SettingsError, ValueError) as error:
            raise click.UsageError(str(error)) from error

    def own_files(self) -> Mapping[str, str]:
        """Version 0."""
        return _read_files((), self)

    def compiled(self, files: Mapping[str, str]) -> RuleSet:
        """Ends the command for bad rules."""
        from processors.ruleset import RuleError, rules_from_texts

        try:
            return rules_from_texts(files, self.kinds, self.departments, timezone=self.settings.timezone)
        except RuleError as error:
            _refuse([str(fault) for fault in error.faults], "the rules are not applied")


def _read_files(paths: Sequence[Path], context: _Context) -> dict[str, str]:
    from processors.ruleset import RuleError, files_of

    default = [context.settings.rules_dir] if context.settings.rules_dir else None
    try:
        found = files_of(list(paths) or default)
        texts = {path.name: path.read_text(encoding="utf-8") for path in found}
    except (RuleError, OSError, UnicodeDecodeError) as error:
        _refuse([str(error)], "the rules are not applied")
    if len(texts) < len(found):
        _refuse(["two files have the same name; names must differ, whatever their folder"], "the rules are not applied")
    if not texts:
        _refuse(["there are no rule files (*.yaml) in what is given"], "the rules are not applied")
    return texts


def _play(paths: Sequence[Path], rules: RuleSet, context: _Context) -> None:
    from processors.rule_tests import play_tests, untested
    from processors.ruleset import RuleError

    default = [context.settings.rules_dir] if context.settings.rules_dir else None
    try:
        played: list[Played] = list(play_tests(list(paths) or default, rules, context.kinds))
    except RuleError as error:
        _refuse([str(fault) for fault in error.faults], "the rules are not applied")
    failed = [story for story in played if not story.outcome.passed]
    if failed:
        for story in failed:
            case = story.outcome.case
            click.echo(f"{story.file}:{story.line}: {case.rule}: {case.name}: {story.outcome.problem}", err=True)
        click.echo(f"{len(failed)} of {len(played)} stories fail: the rules are not applied", err=True)
        sys.exit(EXIT_FAILED)
    told = {story.outcome.case.rule for story in played}
    for rule_id, lack in untested(rules, played).items():
        if rule_id in told or not told:
            click.echo(f"warning: {rule_id}: {lack}", err=True)
    click.echo(f"{len(rules)} rules are good, {len(played)} stories pass")


def _warn_of_couplings(rules: RuleSet, context: _Context) -> None:
    """The couplings in use are those of the coupling processor's files: what they name should be there."""
    from processors.couplings import load_couplings
    from processors.ruleset import RuleError

    default = [context.settings.rules_dir] if context.settings.rules_dir else None
    try:
        load_couplings(default, rules, context.departments)
    except RuleError as error:
        for fault in error.faults:
            click.echo(f"warning: {fault.field}: {fault.message.split('; rules:')[0]}", err=True)


def _say_changes(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    from riskstream.rule_changes import rule_changes

    changes = rule_changes(before, after)
    for change in changes:
        for line in change.lines():
            click.echo(line)
    if not changes:
        click.echo("no rule changes")


def _version(versions: Sequence[RuleFiles], author: str | None, reason: str, files: Mapping[str, str]) -> RuleFiles:
    from riskstream.version_log import next_version
    from schemas.rule_versions import RuleFiles

    now = round(time.time() * 1000)
    return RuleFiles(next_version(list(versions)), author or getpass.getuser(), reason, now, dict(files))


def _files_of(version: int, versions: Sequence[RuleFiles], context: _Context) -> Mapping[str, str]:
    if version == 0:
        return context.own_files()
    for one in versions:
        if one.version == version:
            return one.files
    known = ", ".join(str(one.version) for one in versions)
    raise click.ClickException(f"there is no version {version}; versions: 0{', ' + known if known else ''}")


def _versions(settings: Settings) -> list[RuleFiles]:
    from riskstream.version_log import VersionLogError, read_versions
    from schemas.rule_versions import RULES_TOPIC, RuleFiles

    try:
        return read_versions(settings, RULES_TOPIC, RuleFiles)
    except VersionLogError as error:
        raise click.ClickException(str(error)) from error


def _publish(settings: Settings, plan: Plan) -> RuleFiles | None:
    from riskstream.version_log import VersionLogError, publish_version
    from schemas.rule_versions import RULES_TOPIC, RuleFiles

    try:
        return publish_version(settings, RULES_TOPIC, RuleFiles, plan)
    except VersionLogError as error:
        raise click.ClickException(f"{error}; nothing was applied") from error


def _refuse(faults: Sequence[str], what: str) -> NoReturn:
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(f"{len(faults)} fault{'s'[: len(faults) != 1]}: {what}", err=True)
    sys.exit(EXIT_BAD_RULES)
