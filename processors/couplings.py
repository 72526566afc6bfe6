"""Coupling files to compiled couplings, with the faults of rule files: file, line, field, what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from processors.core.coupling import CouplingSet
from processors.core.coupling.coupling import Coupling, compile_coupling
from processors.core.coupling.definition import CONCERNED, Condition, CouplingDefinition, CouplingFile
from processors.core.coupling.pattern import fits
from processors.core.expression.errors import suggestion
from processors.core.rules import RuleSet
from processors.ruleset import SHIPPED, Fault, RuleError, doubled_ids, parse_yaml, read_yaml, validate
from processors.yaml_places import PlacedYaml
from schemas.departments import load_departments

FILE = "couplings.yaml"

Place = tuple[str | int, ...]


def load_couplings(
    paths: Iterable[Path] | None, rules: RuleSet, departments: Collection[str] | None = None
) -> CouplingSet:
    """The couplings of files and folders (by default the shipped ones); a folder gives its `couplings.yaml`, if any.

    `rules` are those that the couplings may name. Raises `RuleError` with all faults.
    """
    known = load_departments() if departments is None else departments
    couplings: list[Coupling] = []
    faults: list[Fault] = []
    for path in coupling_files(paths):
        try:
            couplings += _load(str(path), read_yaml(path), rules, known, len(couplings))
        except RuleError as errors:
            faults += errors.faults
    if faults:
        raise RuleError(faults)
    return CouplingSet(_each_once(couplings))


def couplings_from_text(
    text: str, rules: RuleSet, departments: Collection[str] | None = None, *, unknown_rules: bool = True
) -> CouplingSet:
    """The couplings of a file that is given as text. Raises `RuleError`.

    With `unknown_rules` they may name rules that are not there.
    """
    known = load_departments() if departments is None else departments
    couplings = _load(FILE, parse_yaml(FILE, text), rules, known, 0, unknown_rules=unknown_rules)
    return CouplingSet(_each_once(couplings))


def coupling_files(paths: Iterable[Path] | None, name: str = FILE) -> list[Path]:
    """The coupling files that paths mean: files of that name, and those in folders."""
    found = []
    for path in [SHIPPED] if paths is None else paths:
        here = path / name if path.is_dir() else path
        if here.name == name and here.is_file():
            found.append(here)
    return found


def _each_once(couplings: list[Coupling]) -> list[Coupling]:
    """Raises `RuleError` if an id is there twice."""
    if faults := doubled_ids("coupling", couplings):
        raise RuleError(faults)
    return couplings


def _load(
    path: str, document: PlacedYaml, rules: RuleSet, departments: Collection[str], first: int, *,
    unknown_rules: bool = False,
) -> list[Coupling]:  # fmt: skip
    file = validate(CouplingFile, document, path)
    names = [*(rule.id for rule in rules), *(definition.id for definition in file.couplings)]
    departments_of = {rule.id: tuple(rule.departments) for rule in rules}
    departments_of |= {one.id: (one.lead_department, *one.departments) for one in file.couplings}
    faults: list[Fault] = []
    couplings = []
    for number, definition in enumerate(file.couplings):
        place = ("couplings", number)
        for where, message in _faults(definition, None if unknown_rules else names, departments):
            line, column = document.location((*place, *where))
            faults.append(Fault(path, line, column, _field(definition, where), message))
        line = document.location(place).line
        couplings.append(compile_coupling(definition, file, departments_of, first + number, path, line))
    if faults:
        raise RuleError(faults)
    return couplings


def _faults(
    definition: CouplingDefinition, names: Collection[str] | None, departments: Collection[str]
) -> Iterator[tuple[Place, str]]:
    listed: list[tuple[Place, str]] = [(("lead_department",), definition.lead_department)]
    listed += [(("departments", i), one) for i, one in enumerate(definition.departments) if one != CONCERNED]
    for where, department in listed:
        if department not in departments:
            near = suggestion(department, departments) or ";"
            yield where, f"`{department}` is not a department{near} departments: {', '.join(sorted(departments))}"
    conditions = list(_conditions(definition.when, ("when",)))
    absent = definition.when.not_
    named: list[tuple[Place, str | None]] = [(where, one.rule) for where, one in conditions]
    if absent is not None:
        named.append((("when", "not"), absent.rule))
    for where, rule in named:
        if rule is None:
            continue
        if rule == definition.id:
            yield (*where, "rule"), "a coupling cannot name itself"
        elif names is not None and not any(fits(rule, name) for name in names):
            near = suggestion(rule, names) or ";"
            yield (*where, "rule"), f"no rule or coupling is named {rule!r}{near} rules: {', '.join(sorted(names))}"


def _conditions(condition: Condition, place: Place) -> Iterator[tuple[Place, Condition]]:
    if condition.is_leaf:
        yield place, condition
    for key, parts in (("all", condition.all_), ("any", condition.any_), ("sequence", condition.sequence)):
        for number, part in enumerate(parts or ()):
            yield from _conditions(part, (*place, key, number))
    if condition.n_of is not None:
        for number, part in enumerate(condition.n_of.of):
            yield from _conditions(part, (*place, "n_of", "of", number))


def _field(definition: CouplingDefinition, where: Place) -> str:
    text = f"couplings[{definition.id}]"
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text
