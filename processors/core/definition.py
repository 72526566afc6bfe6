"""Rule files as their authors write them: the shape of the YAML, before any expression is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from processors.core.durations import Hold, parse_hold
from processors.core.local_time import parse_hours
from processors.core.schedule import parse_season
from schemas.levels import LEVELS

LevelWord: TypeAlias = Literal["blue", "yellow", "orange", "red"]
Language: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Za-z]+)?$")]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


def _expression(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("an expression is needed: a number or a text such as `mean(level_m, 10m) - attr.floor_m`")
    return repr(value) if isinstance(value, int | float) else value


def _hold(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("a length of time such as 30s or 2m, or `2 readings`, is needed")
    return parse_hold(value)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _one_or_more(item: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": item}, {"type": "array", "items": {"type": item}, "minItems": 1}]})


Expression: TypeAlias = Annotated[str, BeforeValidator(_expression), WithJsonSchema({"type": ["string", "number"]})]
HoldText: TypeAlias = Annotated[
    Hold, BeforeValidator(_hold), WithJsonSchema({"type": "string", "examples": ["30s", "10m", "2 readings"]})
]
OneOrMore: TypeAlias = Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1), _one_or_more("string")]
ByLevel: TypeAlias = Annotated[dict[LevelWord, Expression], Field(min_length=1)]
Bounds: TypeAlias = tuple[Expression, Expression]

# Of the language, but not yet of this version: refused with a reason, never ignored.
NOT_YET = {
    "couplings": "couplings",
    "coupling": "tests of couplings",
    "signals": "tests of couplings",
}


Priority: TypeAlias = Annotated[int, Field(ge=1, le=9, strict=True)]
"""Which of two alerts of one level is looked at first: 1 before 9."""
USUAL_PRIORITY = 5


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=False)


class WhereDefinition(Strict):
    """Which sensors: each key one value or a list of allowed ones."""

    profile: OneOrMore | None = None
    zone: OneOrMore | None = None
    department: OneOrMore | None = None
    asset_id: OneOrMore | None = None
    attributes: dict[str, Annotated[list[float | str], BeforeValidator(_as_list)]] = {}


class ClearDefinition(Strict):
    """When an alert ends: comparisons of the rule's value, a condition, and how long they must hold."""

    above: Expression | None = None
    below: Expression | None = None
    above_or_equal: Expression | None = None
    below_or_equal: Expression | None = None
    inside: Bounds | None = None
    when: Text | None = None
    for_: HoldText = Field(Hold(), alias="for")


class NightsDefinition(Strict):
    """On how many of how many nights a level must have held."""

    at_least: Annotated[int, Field(ge=1, le=30, strict=True)]
    of: Annotated[int, Field(ge=1, le=30, strict=True)]

    @model_validator(mode="after")
    def _at_most_all(self) -> NightsDefinition:
        if self.at_least > self.of:
            raise ValueError(f"at_least ({self.at_least}) is more than of ({self.of})")
        return self


def _hours(value: Any) -> Any:
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        parse_hours(str(text))
    return [str(text) for text in texts]


def _seasons(value: Any) -> Any:
    return [parse_season(str(text)) for text in (value if isinstance(value, list) else [value])]


class ScheduleDefinition(Strict):
    """When the rule is in force; all that are given must be so."""

    hours: Annotated[list[str], BeforeValidator(_hours), _one_or_more("string")] = Field(default_factory=list)
    seasons: Annotated[list[tuple[int, int]], BeforeValidator(_seasons), _one_or_more("string")] = Field(
        default_factory=list
    )
    mode: Literal["peace", "emergency"] | None = None


class RuleDefinition(Strict):
    """One rule."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)+$")]
    version: Annotated[int, Field(ge=1, strict=True)] | None = None
    title: dict[Language, Text] = {}
    kind: Text
    where: WhereDefinition = WhereDefinition()
    value: Expression | None = None
    unit: Text | None = None
    above: ByLevel | None = None
    below: ByLevel | None = None
    above_or_equal: ByLevel | None = None
    below_or_equal: ByLevel | None = None
    outside: Annotated[dict[LevelWord, Bounds], Field(min_length=1)] | None = None
    when: Annotated[dict[LevelWord, Text], Field(min_length=1)] | None = None
    stuck: ByLevel | None = None
    no_data: ByLevel | None = None
    nights: NightsDefinition | None = None
    schedule: ScheduleDefinition | None = None
    and_: Annotated[dict[LevelWord, Text], Field(min_length=1)] | None = Field(None, alias="and")
    for_: HoldText | dict[LevelWord, HoldText] = Field(Hold(), alias="for")
    clear: ClearDefinition = Field(default_factory=lambda: ClearDefinition.model_validate({}))
    priority: Priority = USUAL_PRIORITY
    departments: Annotated[list[Text], Field(min_length=1)]
    advice: dict[Language, Text] = {}
    source: Text
    confidence: Literal["high", "medium", "low"]
    evidence: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], Expression] = {}

    @model_validator(mode="before")
    @classmethod
    def _one_hold_shape(cls, data: Any) -> Any:
        # pydantic would report a wrong `for` once for each of its two shapes
        if isinstance(data, dict) and isinstance(data.get("for"), str):
            parse_hold(data["for"])
        return data

    @model_validator(mode="after")
    def _has_levels(self) -> RuleDefinition:
        if self.no_data is not None:
            return self._check_no_data()
        compared = [self.above, self.below, self.above_or_equal, self.below_or_equal, self.outside, self.stuck]
        if self.stuck and any(compared[:-1]):
            raise ValueError("`stuck` compares for how long the value has not changed; it stands without thresholds")
        if self.value is None and any(compared):
            raise ValueError("`value` is missing: what do the thresholds compare?")
        if self.unit is not None and (self.value is None or self.stuck):
            raise ValueError("`unit` is that of `value`; a rule without a value, or a `stuck` one, has none")
        if not any(compared) and self.when is None:
            raise ValueError(
                "no level is given; use above, below, above_or_equal, below_or_equal, outside, when, stuck or no_data"
            )
        levels = self.levels()
        for name, given in (("and", self.and_), ("for", self.for_ if isinstance(self.for_, dict) else None)):
            for word in given or ():
                if word not in levels:
                    raise ValueError(
                        f"`{name}` names {word}, but the rule has no such level; it has {', '.join(levels)}"
                    )
        bounds = [self.clear.above, self.clear.below, self.clear.above_or_equal, self.clear.below_or_equal]
        if self.value is None and any(b is not None for b in (*bounds, self.clear.inside)):
            raise ValueError("`clear` compares a value, but the rule has none; use `clear: {when: …}`")
        return self

    def _check_no_data(self) -> RuleDefinition:
        others = {
            "value": self.value, "above": self.above, "below": self.below, "above_or_equal": self.above_or_equal,
            "below_or_equal": self.below_or_equal, "outside": self.outside, "when": self.when, "and": self.and_,
            "unit": self.unit, "stuck": self.stuck, "nights": self.nights, "schedule": self.schedule,
            "evidence": self.evidence, "for": self.for_ != Hold(), "clear": "clear" in self.model_fields_set,
        }  # fmt: skip
        for name, given in others.items():
            if given:
                raise ValueError(f"`no_data` stands alone, without `{name}`: it ends with the next reading")
        return self

    def levels(self) -> list[str]:
        """The levels that the rule can reach, lowest first."""
        given: set[str] = set()
        for part in (
            self.above, self.below, self.above_or_equal, self.below_or_equal, self.outside, self.when, self.no_data,
            self.stuck,
        ):  # fmt: skip
            given |= set(part or ())
        return [level.word for level in LEVELS if level.word in given]

    def hold(self, word: str) -> Hold:
        if isinstance(self.for_, dict):
            return {str(level): hold for level, hold in self.for_.items()}.get(word, Hold())
        return self.for_


class RuleFile(Strict):
    """A file of rules."""

    standard: Text
    version: Annotated[int, Field(ge=1, strict=True)]
    rules: Annotated[list[RuleDefinition], Field(min_length=1)]
