"""`riskstream rules check|test|show`: the rules that readings are judged by."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from riskstream.rules_apply import apply, diff, export, history, rollback, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.core.coupling import CouplingSet
    from processors.core.rule import Rule
    from processors.coupling_tests import PlayedCoupling
    from processors.rule_tests import Played
    from processors.ruleset import RuleError, RuleSet
    from schemas.kinds import Kind

EXIT_FAILED = 1
EXIT_BAD_RULES = 2

_paths = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
_format = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def rules() -> None:
    """Rules: check them, play their tests, show what they say, change them while everything runs."""


for _command in (apply, history, diff, rollback, export, status):
    rules.add_command(_command)


@rules.command()
@_paths
@_format
def check(paths: tuple[Path, ...], format_: str) -> None:
    """Check rule files and folders (by default those that the processor uses), and say what their tests lack.

    Exit status 0: the rules are good; 2: they are not, or there are none.

    \b
    Examples:
      riskstream rules check
      riskstream rules check my-rules/ processors/rules/gas.yaml
    """
    found, kinds = _load(paths, format_)
    couplings = _couplings(paths, found, format_)
    if not len(found) and not len(couplings):
        where = ", ".join(map(str, paths)) or "the folder of RISKSTREAM_RULES_DIR"
        click.echo(f"there are no rules in {where}; rules are in *.yaml files", err=True)
        sys.exit(EXIT_BAD_RULES)
    lacks = _lacking(paths, found, kinds, couplings, format_)
    if format_ == "json":
        names = [one.id for one in (*found, *couplings)]
        click.echo(json.dumps({"rules": names, "faults": [], "untested": lacks}, indent=2))
        return
    for rule_id, what in lacks.items():
        click.echo(f"warning: {rule_id}: {what}", err=True)
    coupled = f", {len(couplings)} couplings" if len(couplings) else ""
    click.echo(f"{len(found)} rules{coupled} are good")


@rules.command()
@_paths
@click.option("--rule", "only", default="*", show_default=True, help="Only stories of rules whose id matches.")
@click.option("--verbose", "-v", is_flag=True, help="Also name the stories that pass.")
@_format
def test(paths: tuple[Path, ...], only: str, verbose: bool, format_: str) -> None:
    """Play the stories in the *.test.yaml files beside the rules.

    A failure is a line with what was expected and got, and beneath it a drawing of the series and the signals (b, y, o,
    r: the level; c: cleared).

    Exit status 0: all pass; 1: some fail; 2: the rules or tests cannot be read, or there are none.

    \b
    Examples:
      riskstream rules test
      riskstream rules test --rule 'gas.*' -v
    """
    from fnmatch import fnmatchcase

    found, kinds = _load(paths, format_)
    stories: list[Played | PlayedCoupling] = [*_play(paths, found, kinds, format_)]
    stories += _play_couplings(paths, _couplings(paths, found, format_), format_)
    played = [story for story in stories if fnmatchcase(story.outcome.case.rule, only)]
    if not played:
        told = sorted({story.outcome.case.rule for story in stories})
        known = f"rules with stories: {', '.join(told)}" if told else "there are none (*.test.yaml beside the rules)"
        click.echo(f"no story is of a rule that matches {only!r}; {known}", err=True)
        sys.exit(EXIT_BAD_RULES)
    failed = [story for story in played if not story.outcome.passed]
    if format_ == "json":
        click.echo(json.dumps([_as_json(story) for story in played], indent=2, ensure_ascii=False))
    else:
        for story in failed:
            click.echo(
                f"{_place(story)}: {story.outcome.case.rule}: {story.outcome.case.name}: {story.outcome.problem}"
            )
            for line in _drawing(story):
                click.echo(f"    {line}")
        if sys.stdout.isatty() or verbose:
            _print_table(played)
        click.echo(f"{len(played) - len(failed)} of {len(played)} stories pass")
    if failed:
        sys.exit(EXIT_FAILED)


@rules.command()
@click.argument("pattern", default="*")
@_format
def show(pattern: str, format_: str) -> None:
    """Show the rules whose id matches PATTERN: what they compare, for whom, and why.

    \b
    Examples:
      riskstream rules show
      riskstream rules show 'flood.*'
      riskstream rules show gas.pressure.low --format json
    """
    from fnmatch import fnmatchcase

    found, _ = _load((), format_)
    chosen = [rule for rule in found if fnmatchcase(rule.id, pattern)]
    if not chosen:
        click.echo(f"no rule matches {pattern!r}; rules: {', '.join(rule.id for rule in found)}", err=True)
        sys.exit(EXIT_FAILED)
    if format_ == "json":
        click.echo(json.dumps([_summary(rule) for rule in chosen], indent=2, ensure_ascii=False))
        return
    for number, rule in enumerate(chosen):
        if number:
            click.echo()
        for key, value in _summary(rule).items():
            lines = [f"{name}: {text}" for name, text in value.items()] if isinstance(value, dict) else [str(value)]
            for position, line in enumerate(lines):
                click.echo(f"{key if position == 0 else '':<12} {line}")


@rules.command()
def schema() -> None:
    """Print the JSON Schema of rule files, for editors.

    \b
    Examples:
      riskstream rules schema > schema.json
    """
    from processors.rule_schema import schema_text

    click.echo(schema_text(), nl=False)


def _load(paths: tuple[Path, ...], format_: str) -> tuple[RuleSet, Mapping[str, Kind]]:
    from processors.ruleset import TEST_SUFFIX, RuleError, load_rules
    from runtime.settings import load_settings
    from schemas.departments import load_departments
    from schemas.kinds import load_kinds

    settings = load_settings()
    kinds = load_kinds(*settings.kinds_dirs)
    default = [settings.rules_dir] if settings.rules_dir else None
    # a test file named alone is played with the rules beside it
    given = [
        p.with_name(p.name.removesuffix(TEST_SUFFIX) + ".yaml") if p.name.endswith(TEST_SUFFIX) else p for p in paths
    ]
    given = _of_rules(tuple(given))  # couplings alone are judged with the rules that the processor uses
    try:
        return load_rules(given or default, kinds, load_departments(settings.departments_file)), kinds
    except RuleError as error:
        _refuse(error, format_)


def _play(paths: tuple[Path, ...], found: RuleSet, kinds: Mapping[str, Kind], format_: str) -> list[Played]:
    from processors.rule_tests import play_tests
    from processors.ruleset import RuleError
    from runtime.settings import load_settings

    rules_dir = load_settings().rules_dir
    default = [rules_dir] if rules_dir else None
    if paths and not _of_rules(paths):
        return []
    try:
        return list(play_tests(_of_rules(paths) or default, found, kinds))
    except RuleError as error:
        _refuse(error, format_)


def _of_rules(paths: tuple[Path, ...]) -> list[Path]:
    """The paths without files of couplings and zones."""
    from processors.ruleset import OTHERS, TEST_SUFFIX

    return [path for path in paths if path.name.replace(TEST_SUFFIX, ".yaml") not in OTHERS]


def _couplings(paths: tuple[Path, ...], found: RuleSet, format_: str) -> CouplingSet:
    """The couplings of the paths (by default those that the service uses), and the zone standard checked."""
    from processors.couplings import load_couplings
    from processors.ruleset import TEST_SUFFIX, RuleError
    from processors.zones import load_zones
    from runtime.settings import load_settings
    from schemas.departments import load_departments

    settings = load_settings()
    departments = load_departments(settings.departments_file)
    default = [settings.rules_dir] if settings.rules_dir else None
    given = [p.with_name(p.name.replace(TEST_SUFFIX, ".yaml")) for p in paths]
    try:
        load_zones(given or default, departments)
        return load_couplings(given or default, found, departments)
    except RuleError as error:
        _refuse(error, format_)


def _play_couplings(paths: tuple[Path, ...], couplings: CouplingSet, format_: str) -> list[PlayedCoupling]:
    from processors.coupling_tests import beside, play_coupling_tests
    from processors.ruleset import RuleError
    from runtime.settings import load_settings

    rules_dir = load_settings().rules_dir
    default = [rules_dir] if rules_dir else None
    try:
        return list(play_coupling_tests(beside(paths) or default, couplings))
    except RuleError as error:
        _refuse(error, format_)


def _lacking(
    paths: tuple[Path, ...], found: RuleSet, kinds: Mapping[str, Kind], couplings: CouplingSet, format_: str
) -> dict[str, str]:
    from processors.coupling_tests import untested_couplings
    from processors.rule_tests import untested

    lacks = untested(found, _play(paths, found, kinds, format_)) if not paths or _of_rules(paths) else {}
    return lacks | untested_couplings(couplings, _play_couplings(paths, couplings, format_))


def _refuse(error: RuleError, format_: str) -> NoReturn:
    if format_ == "json":
        faults = [
            {"file": f.file, "line": f.line, "column": f.column, "field": f.field, "message": f.message}
            for f in error.faults
        ]
        click.echo(json.dumps({"faults": faults}, indent=2, ensure_ascii=False))
    for fault in error.faults:
        click.echo(str(fault), err=True)
    sys.exit(EXIT_BAD_RULES)


def _place(story: Played | PlayedCoupling) -> str:
    return f"{story.file}:{story.line}"


def _drawing(story: Played | PlayedCoupling) -> list[str]:
    """The story of a rule drawn; of a coupling nothing."""
    from processors.core.cases import Outcome
    from riskstream.story_drawing import draw_story

    return draw_story(story.outcome) if isinstance(story.outcome, Outcome) else []


def _as_json(story: Played | PlayedCoupling) -> dict[str, object]:
    from processors.core.coupling.cases import describe_coupled as describe

    outcome = story.outcome
    return {
        "place": _place(story),
        "rule": outcome.case.rule,
        "name": outcome.case.name,
        "passed": outcome.passed,
        "expected": [str(expectation) for expectation in outcome.case.expect],
        "got": [describe(signal) for signal in outcome.signals],
        "problem": outcome.problem,
    }


def _print_table(played: list[Played | PlayedCoupling]) -> None:
    from rich.console import Console
    from rich.table import Table

    from processors.core.coupling.cases import describe_coupled as describe

    colours = {
        "blue": "blue",
        "yellow": "yellow",
        "orange": "dark_orange",
        "red": "red",
        "cleared": "green",
        "joined": "magenta",
    }
    table = Table("rule", "story", "signals", "")
    for story in played:
        outcome = story.outcome
        signals = [describe(signal) for signal in outcome.signals]
        coloured = [f"[{colours[text.split()[-1]]}]{text}[/]" for text in signals]
        verdict = "[green]pass[/]" if outcome.passed else "[red]FAIL[/]"
        table.add_row(outcome.case.rule, outcome.case.name, ", ".join(coloured) or "[dim]none[/]", verdict)
    Console().print(table)


def _summary(rule: Rule) -> dict[str, object]:
    from processors.core.levels import Ladder
    from schemas.levels import LEVELS

    def words(ladder: Ladder) -> dict[str, str]:
        return {LEVELS[level - 1].word: str(hold) for level, hold in ladder.rises}

    levels: dict[str, str] = {}
    for threshold in sorted(rule.thresholds, key=lambda t: -t.level):
        word = LEVELS[threshold.level - 1].word
        text = f"{threshold.comparison.replace('_', ' ')} {threshold.text}"
        levels[word] = f"{levels[word]} or {text}" if word in levels else text
    summary: dict[str, object] = {
        "rule": rule.id,
        "title": dict(rule.title),
        "standard": f"{rule.standard}, version {rule.version}",
        "kind": rule.kind,
        "value": rule.value_text,
        "unit": rule.unit,
        "levels": levels,
        "when": dict(rule.when_texts),
        "for": words(rule.ladder),
        "clear": rule.clear_text,
        "priority": rule.priority,
        "departments": ", ".join(rule.departments),
        "advice": dict(rule.advice),
        "source": rule.source,
        "confidence": rule.confidence,
        "file": f"{rule.file}:{rule.line}",
    }
    return {key: value for key, value in summary.items() if value}
