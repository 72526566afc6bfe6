"""`riskstream rules apply|history|diff|rollback|status`: what all is judged by, changed live."""

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

    from processors.core.standard import Standard
    from processors.coupling_tests import PlayedCoupling
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
    """Check rules, couplings and zone standard, play their tests, show what they change, and publish the next version.

    A folder is the whole set: rules that it does not hold are removed; couplings and zone standard stay as they are if
    it has no couplings.yaml or zones.yaml. Files take the place of those of the same name in the newest version; the
    others stay. Without either: what the services start with. Running services switch within seconds, each partition
    at one point of its log.

    \b
    Examples:
      riskstream rules apply my-rules/ --reason "summer thresholds"
      riskstream rules apply my-rules/gas.yaml --reason "blue at 1.75 kPa, order 12/2026" --author li
      riskstream rules apply my-rules/couplings.yaml my-rules/zones.yaml --reason "after the drill"

    \b
    Exit status: 0 published or unchanged, 1 a test failed or Kafka could not be used, 2 the rules are not good.
    """
    from processors.standard_files import whole
    from riskstream.rule_changes import reused_versions, same

    context = _Context.load()
    given = _read_files(paths, context)

    def plan(versions: list[RuleFiles]) -> RuleFiles | None:
        before = context.whole(versions[-1].files) if versions else context.own_files()
        whole_set = not paths or any(path.is_dir() for path in paths)
        after = whole(given, before) if whole_set else {**before, **given}
        standard = context.compiled(after)
        earlier = {0: context.own_files(), **{one.version: one.files for one in versions}}
        faults = reused_versions(after, earlier)
        if faults:
            _refuse(faults, "the rules are not applied")
        _check_names(given, after, standard, context)
        _play(paths, standard, context)
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

    Nothing is ever removed from the history: a rollback of a rollback works the same. Version 0 is what the services
    start with: rules, couplings and zone standard.

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
        before = context.whole(versions[-1].files) if versions else context.own_files()
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

    Version 0 is what the services start with; the stories (*.test.yaml) are written beside it. Files that are there
    already are replaced.

    \b
    Examples:
      riskstream rules export my-rules
      riskstream rules export --version 3 rules-v3
    """
    from processors.coupling_tests import TEST_FILE
    from processors.couplings import coupling_files
    from processors.ruleset import files_of

    context = _Context.load()
    versions = _versions(context.settings)
    if version is None:
        version = versions[-1].version if versions else 0
    texts = dict(_files_of(version, versions, context))
    if version == 0:
        default = [context.settings.rules_dir] if context.settings.rules_dir else None
        stories = [*files_of(default, tests=True), *coupling_files(default, TEST_FILE)]
        texts |= {path.name: path.read_text(encoding="utf-8") for path in stories}
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
        after = context.whole(one.files)
        changes = [f"{change.what} {change.rule_id}" for change in rule_changes(before, after)]
        before = after
        rows.append(
            {
                "version": one.version, "applied_at": datetime.fromtimestamp(one.applied_at / 1000, UTC),
                "author": one.author, "reason": one.reason, "changes": changes,
            }
        )  # fmt: skip
    if not rows and sys.stdout.isatty():
        click.echo("nothing was applied yet: all is judged by what the services start with (version 0)")
        return
    show_rows(rows[::-1], ["version", "applied_at", "author", "reason", "changes"], form)


@click.command()
@click.argument("before", type=click.IntRange(min=0))
@click.argument("after", type=click.IntRange(min=0))
@click.option("--text", is_flag=True, help="The files' lines instead of the rules.")
@needs("kafka")
def diff(before: int, after: int, text: bool) -> None:
    """Show what version AFTER changes against BEFORE; 0 is what the services start with.

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
    """Show the newest version, and which versions the partitions of the readings and the couplings have switched to.

    That is read from ClickHouse (control_log), which follows within a second or two.

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
    of_couplings = "SELECT max(rule_version) AS version FROM signals_log WHERE type = 'tick' AND rule_id = 'rules'"
    problem, in_force, coupling = "", [], 0
    try:
        lines = ask(context.settings, query, "JSONEachRow").text.splitlines()
        in_force = [json.loads(line) for line in lines]
        coupling = int(json.loads(ask(context.settings, of_couplings, "JSONEachRow").text)["version"])
    except QueryError as error:
        problem = str(error)
    if format_ == "json":
        shown = {"version": newest.version, "author": newest.author, "reason": newest.reason} if newest else {}
        click.echo(
            json.dumps(
                {"newest": shown or {"version": 0}, "partitions": in_force, "couplings": coupling}
                | {"problem": problem}
            )
        )
        return
    if newest is None:
        click.echo("nothing was applied: version 0, what the services start with")
    else:
        when = datetime.fromtimestamp(newest.applied_at / 1000, UTC).isoformat(timespec="seconds")
        click.echo(f"version {newest.version}, applied by {newest.author} at {when}: {newest.reason}")
    for row in in_force:
        click.echo(f"{row['kind']:24} version {row['version']} in {row['partitions']} partitions")
    if not problem:
        click.echo(f"{'couplings and zones':24} version {coupling}")
    else:
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
        from processors.standard_files import own_texts

        return _read(lambda: own_texts(self.settings.rules_dir))

    def whole(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """A version's files with couplings and zone standard, also if it is so old that it holds rules alone."""
        from processors.standard_files import whole

        return whole(files, self.own_files())

    def compiled(self, files: Mapping[str, str]) -> Standard:
        """Ends the command for a bad set."""
        from processors.ruleset import RuleError
        from processors.standard_files import standard_from_texts
        from processors.standards import own_standard

        try:
            own = own_standard(self.settings, self.kinds)
            return standard_from_texts(files, own, self.kinds, self.departments, timezone=self.settings.timezone)
        except RuleError as error:
            _refuse([str(fault) for fault in error.faults], "the rules are not applied")


def _read_files(paths: Sequence[Path], context: _Context) -> dict[str, str]:
    """The files of the paths, by default those that the services start with."""
    from processors.standard_files import own_texts, texts_of

    texts = _read(lambda: texts_of(paths) if paths else own_texts(context.settings.rules_dir))
    if not texts:
        _refuse(["there are no rule files (*.yaml) in what is given"], "the rules are not applied")
    return texts


def _read(read: Callable[[], dict[str, str]]) -> dict[str, str]:
    from processors.ruleset import RuleError

    try:
        return read()
    except (RuleError, OSError, ValueError) as error:
        _refuse([str(error)], "the rules are not applied")


def _check_names(
    given: Mapping[str, str], after: Mapping[str, str], standard: Standard, context: _Context
) -> None:  # fmt: skip
    """What couplings name should be there: a fault of a file that is given, a warning about one that stays."""
    from processors.couplings import FILE, couplings_from_text
    from processors.ruleset import RuleError

    if FILE not in after:
        return
    try:
        couplings_from_text(after[FILE], standard.rules, context.departments, unknown_rules=False)
    except RuleError as error:
        if FILE in given:
            _refuse([str(fault) for fault in error.faults], "the rules are not applied")
        for fault in error.faults:
            click.echo(f"warning: {fault.field}: {fault.message.split('; rules:')[0]}", err=True)


def _play(paths: Sequence[Path], standard: Standard, context: _Context) -> None:
    from processors.coupling_tests import beside, play_coupling_tests, untested_couplings
    from processors.rule_tests import play_tests, untested
    from processors.ruleset import OTHERS, RuleError

    default = [context.settings.rules_dir] if context.settings.rules_dir else None
    of_rules = [path for path in paths if path.name not in OTHERS]
    try:
        played: list[Played] = []
        if of_rules or not paths:
            played = list(play_tests(of_rules or default, standard.rules, context.kinds))
        coupled: list[PlayedCoupling] = list(play_coupling_tests(beside(paths) or default, standard.couplings))
    except RuleError as error:
        _refuse([str(fault) for fault in error.faults], "the rules are not applied")
    stories: list[Played | PlayedCoupling] = [*played, *coupled]
    failed = [story for story in stories if not story.outcome.passed]
    if failed:
        for story in failed:
            case = story.outcome.case
            click.echo(f"{story.file}:{story.line}: {case.rule}: {case.name}: {story.outcome.problem}", err=True)
        click.echo(f"{len(failed)} of {len(stories)} stories fail: the rules are not applied", err=True)
        sys.exit(EXIT_FAILED)
    _warn_of_untested(untested(standard.rules, played), {story.outcome.case.rule for story in played})
    _warn_of_untested(untested_couplings(standard.couplings, coupled), {one.outcome.case.coupling for one in coupled})
    numbers = f"{len(standard.rules)} rules and {len(standard.couplings)} couplings"
    click.echo(f"{numbers} are good, {len(stories)} stories pass")


def _warn_of_untested(lacks: Mapping[str, str], told: Collection[str]) -> None:
    """Say what stories lack; where only some files are given, of those that they tell of."""
    for name, lack in lacks.items():
        if name in told or not told:
            click.echo(f"warning: {name}: {lack}", err=True)


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
            return context.whole(one.files)
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
