"""Rule files to compiled rules: the only place that reads them from disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from processors.core.compile import DefinitionError, compile_rule
from processors.core.definition import NOT_YET, RuleFile
from processors.core.expression.errors import suggestion
from processors.core.rule import Rule
from processors.core.rules import RuleSet
from processors.yaml_places import PlacedYaml, YamlError
from schemas.departments import load_departments
from schemas.kinds import Kind

__all__ = [
    "Fault", "RuleError", "RuleSet", "files_of", "load_rules", "parse_yaml", "read_yaml", "rules_from_texts",
    "validate",
]  # fmt: skip

SHIPPED = Path(__file__).parent / "rules"
TEST_SUFFIX = ".test.yaml"
OTHERS = frozenset({"couplings.yaml", "zones.yaml"})
"""Files of a rules folder that hold no rules of sensors; see `processors.couplings`."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: file, line and column (from 1), the field's path, what is wrong, and perhaps a drawing with carets."""

    file: str
    line: int
    column: int
    field: str
    message: str
    drawing: str = ""

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}:{self.column}: {self.field + ': ' if self.field else ''}{self.message}"
        return f"{head}\n{self.drawing}" if self.drawing else head


class RuleError(ValueError):
    """Faults of rule files, each with file, line and field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def load_rules(
    paths: Iterable[Path] | None,
    kinds: Mapping[str, Kind],
    departments: Collection[str] | None = None,
    *,
    timezone: str = "UTC",
) -> RuleSet:
    """The rules of files and folders (by default the shipped ones), in the order of the files' names.

    Folders give their `*.yaml` without the tests. `departments` are the known ones (by default the built-in),
    `timezone` the city's. Raises `RuleError` with all faults of all files.
    """
    sources = [(str(path), partial(read_yaml, path)) for path in files_of(paths)]
    return _rule_set(sources, kinds, departments, 0, timezone)


def rules_from_texts(
    files: Mapping[str, str],
    kinds: Mapping[str, Kind],
    departments: Collection[str] | None = None,
    version: int = 0,
    *,
    timezone: str = "UTC",
) -> RuleSet:
    """The rules of files that are given as texts by name, in the order of the names; see `load_rules`.

    Tests of rules, and files that hold no rules of sensors, may be among them; they are passed over.
    """
    names = [name for name in sorted(files) if not name.endswith(TEST_SUFFIX) and Path(name).name not in OTHERS]
    sources = [(name, partial(parse_yaml, name, files[name])) for name in names]
    return _rule_set(sources, kinds, departments, version, timezone)


def _rule_set(
    sources: Iterable[tuple[str, Callable[[], PlacedYaml]]],
    kinds: Mapping[str, Kind],
    departments: Collection[str] | None,
    version: int,
    timezone: str,
) -> RuleSet:
    known = load_departments() if departments is None else departments
    rules: list[Rule] = []
    faults: list[Fault] = []
    for path, read in sources:
        try:
            rules += _load_file(path, read(), kinds, known, len(rules))
        except RuleError as errors:
            faults += errors.faults
    faults += doubled_ids("rule", rules)
    if faults:
        raise RuleError(faults)
    return RuleSet(tuple(rules), version, timezone)


class _Placed(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...


def doubled_ids(what: str, found: Iterable[_Placed]) -> list[Fault]:
    """A fault for each rule or coupling whose id another one has already."""
    first: dict[str, _Placed] = {}
    return [
        Fault(one.file, one.line, 1, "id", f"the {what} {one.id} is already in {other.file}:{other.line}")
        for one in found
        if (other := first.setdefault(one.id, one)) is not one
    ]


def files_of(paths: Iterable[Path] | None, *, tests: bool = False) -> list[Path]:
    """The rule files (or test files) that paths of files and folders mean. Raises `RuleError` for one not there."""
    result: list[Path] = []
    for path in [SHIPPED] if paths is None else paths:
        if path.is_dir():
            found = (p for p in path.glob("*.yaml") if p.name.endswith(TEST_SUFFIX) == tests)
            result += sorted(p for p in found if p.name.replace(TEST_SUFFIX, ".yaml") not in OTHERS)
        elif path.is_file():
            beside = path.with_name(path.name.removesuffix(".yaml") + TEST_SUFFIX)
            if path.name.endswith(TEST_SUFFIX) == tests:
                result.append(path)
            elif tests and beside.is_file():
                result.append(beside)
        else:
            raise RuleError([Fault(str(path), 1, 1, "", "no such file or folder of rules")])
    return result


def read_yaml(path: Path) -> PlacedYaml:
    """Raises `RuleError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError([Fault(str(path), 1, 1, "", f"not readable: {error}")]) from None
    return parse_yaml(str(path), text)


def parse_yaml(name: str, text: str) -> PlacedYaml:
    """The text of a file of that name. Raises `RuleError`."""
    try:
        return PlacedYaml(text)
    except YamlError as error:
        raise RuleError([Fault(name, error.line, error.column, "", str(error))]) from None


def validate(model: type[Model], document: PlacedYaml, path: Path | str) -> Model:
    """The document as a model. Raises `RuleError`."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise RuleError([_fault(detail, model, document, path) for detail in error.errors()]) from None


def _load_file(
    path: str, document: PlacedYaml, kinds: Mapping[str, Kind], departments: Collection[str], first: int
) -> list[Rule]:
    file = validate(RuleFile, document, path)
    rules: list[Rule] = []
    faults: list[Fault] = []
    for number, definition in enumerate(file.rules):
        place = ("rules", number)
        line = document.location(place).line
        for index, department in enumerate(definition.departments):
            if department not in departments:
                near, words = suggestion(department, departments), ", ".join(sorted(departments))
                message = f"`{department}` is not a department{near or ';'} departments: {words}"
                faults.append(_at(document, path, (*place, "departments", index), message))
        try:
            rules.append(compile_rule(definition, file, kinds, first + number, path, line))
        except DefinitionError as error:
            faults.append(_at(document, path, (*place, *error.place), str(error), error.drawing))
    if faults:
        raise RuleError(faults)
    return rules


def _at(document: PlacedYaml, path: Path | str, place: tuple[str | int, ...], message: str, drawing: str = "") -> Fault:
    line, column = document.location(place)
    return Fault(str(path), line, column, _field(document, place), message, drawing)


def _field(document: PlacedYaml, place: Iterable[str | int]) -> str:
    """`rules[2].clear.for`, with the rule's or test's name where it has one."""
    text, data = "", document.data
    for part in place:
        data = _step_into(data, part)
        name = data.get("id", data.get("name")) if isinstance(data, dict) else None
        if isinstance(part, int):
            text += f"[{name if isinstance(name, str) else part}]"
        else:
            text += f".{part}" if text else str(part)
    return text


def _fault(detail: Any, model: type[BaseModel], document: PlacedYaml, path: Path | str) -> Fault:
    place = _existing(document.data, detail["loc"])
    kind = detail["type"]
    message = str(detail["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        word = str(place[-1])
        line, column = document.location(place, key=True)
        if word in NOT_YET:
            message = f"`{word}` ({NOT_YET[word]}) is not available in this version"
        elif _is_torn(word):
            message = f"`{word}` is not a key here; {_TORN}"
        else:
            allowed = _allowed_keys(model, place)
            near = suggestion(word, allowed)
            message = f"`{word}` is not a key here{near or ';'} keys: {', '.join(allowed)}"
        return Fault(str(path), line, column, _field(document, place), message)
    if kind == "missing":
        message = f"`{detail['loc'][-1]}` is missing"
    elif kind == "string_pattern_mismatch":
        message = f"{detail['input']!r} is not allowed; it must match {detail['ctx']['pattern']}"
    elif kind == "literal_error" and detail["loc"][-1] == "[key]":
        torn = f"; {_TORN}" if _is_torn(str(detail["input"])) else ""
        message = f"{detail['input']!r} is not known; allowed: {detail['ctx']['expected']}{torn}"
    elif kind == "literal_error":
        message = f"{detail['input']!r} is not allowed; allowed: {detail['ctx']['expected']}"
    elif kind != "value_error" and isinstance(detail.get("input"), str | int | float):
        message += f", not {detail['input']!r}"
    line, column = document.location(place, key=detail["loc"][-1:] == ("[key]",))
    return Fault(str(path), line, column, _field(document, place), message)


_NOWHERE = object()
_TORN = "inside { } or [ ], an expression that has a comma must be in quotes"


def _is_torn(word: str) -> bool:
    """Is a key the rest of an expression that YAML has torn at its comma?"""
    return ")" in word


def _step_into(data: Any, part: str | int) -> Any:
    """What `data` has under a key or index; `_NOWHERE` if it has nothing there."""
    if isinstance(data, dict):
        return data.get(part, _NOWHERE)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return _NOWHERE


def _existing(data: Any, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The part of pydantic's location that the document has (pydantic adds names of its own)."""
    place: list[str | int] = []
    for part in loc:
        inner = _step_into(data, part)
        if inner is not _NOWHERE:
            data = inner
            place.append(part)
    return tuple(place)


def _allowed_keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys of the model that a place lies in."""
    current: type[BaseModel] = model
    for part in place[:-1]:
        if isinstance(part, str):
            for name, info in current.model_fields.items():
                if part == (info.alias or name):
                    current = _inner_model(info.annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()]


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _inner_model(argument)
        if inner is not None:
            return inner
    return None
