"""Runs the stories that stand beside the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from processors.core.cases import CaseError, CaseFile, Outcome, run_case
from processors.ruleset import Fault, RuleError, RuleSet, files_of, read_yaml, validate
from schemas.kinds import Kind


@dataclass(frozen=True, slots=True)
class Played:
    """A story that was played: where it stands, and what it gave."""

    file: str
    line: int
    outcome: Outcome


def play_tests(paths: Iterable[Path] | None, rules: RuleSet, kinds: Mapping[str, Kind]) -> Iterator[Played]:
    """Play the stories of test files, of folders, and beside rule files (by default the shipped ones).

    Raises `RuleError` for a file that cannot be read, or a story that cannot be played.
    """
    for path in files_of(paths, tests=True):
        document = read_yaml(path)
        for number, case in enumerate(validate(CaseFile, document, path).tests):
            line, column = document.location(("tests", number))
            try:
                yield Played(str(path), line, run_case(case, rules, kinds))
            except CaseError as error:
                line, column = document.location(("tests", number, error.key))
                field = f"tests[{case.name}].{error.key}"
                raise RuleError([Fault(str(path), line, column, field, str(error))]) from None


def untested(rules: RuleSet, played: Iterable[Played]) -> dict[str, str]:
    """By rule: what its stories lack. Each rule needs one that raises, one for each level, and one that does not."""
    raised: dict[str, set[str]] = {}
    quiet: set[str] = set()
    for story in played:
        case = story.outcome.case
        levels = {str(expectation.level) for expectation in case.expect if expectation.level}
        raised.setdefault(case.rule, set()).update(levels)
        if not case.expect:
            quiet.add(case.rule)
    lacks = {}
    for rule in rules:
        missing = [level for level in rule.level_words if level not in raised.get(rule.id, set())]
        parts = [f"no story reaches {', '.join(missing)}"] if missing else []
        if rule.id not in quiet:
            parts.append("no story expects nothing (`expect: []`)")
        if parts:
            lacks[rule.id] = "; ".join(parts)
    return lacks
