"""A rule that is changed a little must fail a story: comparisons, windows, hours, nights, holds."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from processors.core.cases import Case, CaseFile, run_case
from processors.core.compile import compile_rule
from processors.core.definition import RuleFile
from processors.core.durations import duration_ms
from processors.core.rules import RuleSet
from processors.ruleset import files_of, read_yaml
from schemas.kinds import load_kinds

KINDS = load_kinds()
FILES = [read_yaml(path).data for path in files_of(None)]
STORIES: dict[str, list[Case]] = {}
for _path in files_of(None, tests=True):
    for _case in CaseFile.model_validate(read_yaml(_path).data).tests:
        STORIES.setdefault(_case.rule, []).append(_case)

_LENGTH = re.compile(r"(?<![\w.])\d+(?:ms|s|m|h|d)(?!\w)")
_HOURS = re.compile(r"02:00-04:00")
_OTHER = {"above": "above_or_equal", "above_or_equal": "above", "below": "below_or_equal", "below_or_equal": "below"}


def texts(rule: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every expression: where it stands, its key, its text."""
    yield from ((rule, key, rule[key]) for key in ("value",) if isinstance(rule.get(key), str))
    for part in ("when", "and", "no_data", "stuck"):
        yield from ((rule[part], word, text) for word, text in rule.get(part, {}).items() if isinstance(text, str))


def mutants(rule: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is changed, and the changed rule."""

    def changed(name: str, change: Any) -> tuple[str, dict[str, Any]]:
        other = copy.deepcopy(rule)
        change(other)
        return name, other

    for comparison, opposite in _OTHER.items():
        if comparison in rule:
            yield changed(f"{comparison} is {opposite}", lambda r, a=comparison, b=opposite: r.update({b: r.pop(a)}))
    for number, (_, _, text) in enumerate(texts(rule)):
        for match in _LENGTH.finditer(text):
            for factor in (3, 1 / 3):
                other = f"{max(1, round(duration_ms(match[0]) * factor / 1000))}s"
                if match[0].endswith("d"):
                    other = f"{max(1, round(int(match[0][:-1]) * factor))}d"
                    if factor > 1:
                        continue  # a longer history than a baseline may have

                def lengthen(r: dict[str, Any], n: int = number, m: re.Match[str] = match, o: str = other) -> None:
                    place, key, old = list(texts(r))[n]
                    place[key] = old[: m.start()] + o + old[m.end() :]

                yield changed(f"{match[0]} in {text!r} is {other}", lengthen)
        if _HOURS.search(text):

            def shift(r: dict[str, Any]) -> None:
                for place, key, old in list(texts(r)):
                    place[key] = old.replace("02:00-04:00", "12:00-14:00")

            yield changed("hours are 12:00-14:00", shift)
        for sign, other in ((">=", "<"), ("<=", ">")):
            if sign in text:

                def turn(r: dict[str, Any], n: int = number, s: str = sign, o: str = other) -> None:
                    place, key, old = list(texts(r))[n]
                    place[key] = old.replace(s, o)

                yield changed(f"{text!r} with {other}", turn)
    if "nights" in rule:
        yield changed("one night is enough", lambda r: r["nights"].update(at_least=1))
        yield changed("all nights are needed", lambda r: r["nights"].update(at_least=r["nights"]["of"]))
    if isinstance(rule.get("for"), str):
        yield changed("for 0s", lambda r: r.pop("for"))
    if isinstance(rule.get("for"), dict):
        yield changed("for 1 reading", lambda r: r.pop("for"))
    if "clear" in rule and "for" in rule["clear"]:
        yield changed("clear at once", lambda r: r["clear"].pop("for"))


ALL = [
    pytest.param(file, rule, changed, id=f"{rule['id']}: {name}")
    for file in FILES
    for rule in file["rules"]
    for name, changed in mutants(rule)
]


@pytest.mark.parametrize(("file", "rule", "changed"), ALL)
def test_a_story_catches_it(file: dict[str, Any], rule: dict[str, Any], changed: dict[str, Any]) -> None:
    model = RuleFile.model_validate({**file, "rules": [changed]})
    mutant = RuleSet((compile_rule(model.rules[0], model, KINDS, 0, "mutant", 1),))
    assert not all(run_case(story, mutant, KINDS).passed for story in STORIES[rule["id"]])


@pytest.mark.parametrize("rule", [rule["id"] for file in FILES for rule in file["rules"]])
def test_every_rule_is_mutated(rule: str) -> None:
    assert any(str(param.id).startswith(f"{rule}: ") for param in ALL)
