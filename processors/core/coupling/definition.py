"""Couplings as their authors write them: the shape of the YAML."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from processors.core.definition import USUAL_PRIORITY, Language, LevelWord, Priority, Strict, Text
from processors.core.durations import duration_ms

ONE_ABOVE = "one above the highest"
THE_HIGHEST = "the highest"
CONCERNED = "concerned"
"""Stands among `departments` for those of the rules whose signals contribute."""

ZoneLevel: TypeAlias = Literal["grid", "community", "street", "district", "city"]


def _milliseconds(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a length of time such as 30m or 24h is needed")
    return duration_ms(value)


def _span(value: Any) -> Any:
    first, dots, last = value.partition("..") if isinstance(value, str) else ("", "", "")
    if not dots:
        raise ValueError(f"{value!r} is not a span; allowed: from..to, for example `0s..24h`")
    low, high = duration_ms(first), duration_ms(last)
    if high < low:
        raise ValueError(f"{value!r}: the span ends before it begins")
    return low, high


def _at_least(value: Any) -> Any:
    match = re.fullmatch(r">=\s*(blue|yellow|orange|red)", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not understood; allowed: `>= blue`, `>= yellow`, `>= orange`, `>= red`")
    return match[1]


def _metres(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(m|km)", value.strip()) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise ValueError(f"{value!r} is not a distance; allowed: a number and m or km, for example `150 m`")
    return float(match[1]) * (1000 if match[2] == "km" else 1)


Milliseconds: TypeAlias = Annotated[int, BeforeValidator(_milliseconds)]
Span: TypeAlias = Annotated[tuple[int, int], BeforeValidator(_span)]
AtLeast: TypeAlias = Annotated[LevelWord, BeforeValidator(_at_least)]
Metres: TypeAlias = Annotated[float, BeforeValidator(_metres)]

FORMS = ("rule", "event", "all", "any", "n_of", "sequence")


class Condition(Strict):
    """A signal of a rule, an event, or a combination of conditions: exactly one of `FORMS`."""

    rule: Text | None = None
    event: Text | None = None
    level: AtLeast | None = None
    after: Span | None = None
    all_: Annotated[list[Condition], Field(min_length=2)] | None = Field(None, alias="all")
    any_: Annotated[list[Condition], Field(min_length=2)] | None = Field(None, alias="any")
    n_of: NOf | None = None
    sequence: Annotated[list[Condition], Field(min_length=2)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Condition:
        given = [
            name for name in FORMS if getattr(self, "all_" if name == "all" else "any_" if name == "any" else name)
        ]
        if len(given) != 1:
            what = f"these are given: {', '.join(given)}" if given else "none is given"
            raise ValueError(f"a condition has exactly one of {', '.join(FORMS)}; {what}")
        if not self.is_leaf and (self.level or self.after):
            raise ValueError("`level` and `after` belong to a rule or an event")
        for number, step in enumerate(self.sequence or ()):
            if not step.is_leaf:
                raise ValueError("a step of a sequence is a rule or an event")
            if (step.after is None) != (number == 0):
                raise ValueError("each step of a sequence but the first has `after: from..to`")
        for part in (*(self.all_ or ()), *(self.any_ or ()), *(self.n_of.of if self.n_of else ())):
            if part.after is not None:
                raise ValueError("`after` belongs to a step of a sequence")
        return self

    @property
    def is_leaf(self) -> bool:
        return self.rule is not None or self.event is not None


class NOf(Strict):
    """At least so many signals, or signals of so many domains (the first part of a rule's id: gas, flood, …)."""

    at_least: Annotated[int, Field(ge=1, strict=True)]
    of: Annotated[list[Condition], Field(min_length=1)]
    distinct: Literal["signal", "domain"] = "signal"

    @model_validator(mode="after")
    def _leaves(self) -> NOf:
        if any(not part.is_leaf for part in self.of):
            raise ValueError("`of` lists rules and events")
        return self


class Absence(Strict):
    """What must not be there: in force when the pattern begins to hold, or coming up within `within` after that."""

    rule: Text | None = None
    event: Text | None = None
    level: AtLeast | None = None
    within: Milliseconds = 0

    @model_validator(mode="after")
    def _one(self) -> Absence:
        if (self.rule is None) == (self.event is None):
            raise ValueError("`not` names a rule or an event")
        return self


class When(Condition):
    """A condition, and perhaps what must not be there."""

    not_: Absence | None = Field(None, alias="not")


class Related(Strict):
    """Signals belong together if one of these holds: same zone of that level, same or crossing asset, distance."""

    same: ZoneLevel | Literal["asset"] | None = None
    or_within: Metres | None = None

    @model_validator(mode="after")
    def _some(self) -> Related:
        if self.same is None and self.or_within is None:
            raise ValueError("give `same`, `or_within` or both")
        return self


def _raise(value: Any) -> Any:
    if isinstance(value, str):
        words = ("blue", "yellow", "orange", "red")
        if value in (*words, ONE_ABOVE, THE_HIGHEST) or (
            value.startswith("at least ") and value.removeprefix("at least ") in words
        ):
            return value
        raise ValueError(
            f"{value!r} is not understood; allowed: a level, `at least orange`, `{ONE_ABOVE}`, `{THE_HIGHEST}`, "
            "or a table `{yellow: orange, orange: red}` from the highest level that contributes"
        )
    return value


class CouplingDefinition(Strict):
    """One coupling."""

    id: Annotated[str, StringConstraints(pattern=r"^coupled(\.[a-z0-9]+(-[a-z0-9]+)*)+$")]
    version: Annotated[int, Field(ge=1, strict=True)] | None = None
    title: Annotated[dict[Language, Text], Field(min_length=1)]
    when: When
    related: Related
    within: Milliseconds = 0
    wait: Milliseconds = 10_000
    raise_: Annotated[str | dict[LevelWord, LevelWord], BeforeValidator(_raise)] = Field(alias="raise")
    priority: Priority = USUAL_PRIORITY
    lead_department: Text
    departments: list[Text] = Field(default_factory=list)
    advice: dict[Language, Text] = Field(default_factory=dict)
    source: Text
    confidence: Literal["high", "medium", "low"]


class CouplingFile(Strict):
    """A file of couplings."""

    standard: Text
    version: Annotated[int, Field(ge=1, strict=True)]
    couplings: list[CouplingDefinition]


Condition.model_rebuild()
