"""From a rule's definition to the rule that the engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from processors.core.definition import LevelWord, RuleDefinition, RuleFile
from processors.core.durations import periods
from processors.core.expression import nodes
from processors.core.expression.check import Needs, check
from processors.core.expression.errors import ExpressionError, suggestion
from processors.core.expression.evaluate import ConditionFunction, NumberFunction, condition_function, number_function
from processors.core.expression.parse import parse
from processors.core.expression.units import unit_of
from processors.core.levels import Ladder
from processors.core.night_count import NightCount
from processors.core.rule import COMPARISONS, Clear, Rule, Threshold, Where
from processors.core.schedule import Schedule
from schemas.kinds import Kind
from schemas.levels import LEVELS, level_of

Place: TypeAlias = tuple[str | int, ...]


class DefinitionError(ValueError):
    """A fault of a rule: the `place` within the rule's definition, and what is wrong."""

    def __init__(self, place: Place, message: str, drawing: str = "") -> None:
        self.place = place
        self.drawing = drawing
        super().__init__(message)


def compile_rule(
    definition: RuleDefinition, file: RuleFile, kinds: Mapping[str, Kind], order: int, place: str, line: int
) -> Rule:
    """Compile one rule; `place` and `line` are its file and line, for messages. Raises `DefinitionError`."""
    if definition.kind == "*" and definition.no_data is None:
        raise DefinitionError(("kind",), "`*` (every kind) is for `no_data` alone: kinds have different fields")
    if definition.kind != "*" and definition.kind not in kinds:
        near = suggestion(definition.kind, kinds)
        raise DefinitionError(
            ("kind",), f"`{definition.kind}` is not a kind{near or ';'} kinds: {', '.join(sorted(kinds))}"
        )
    compiler = _Compiler(definition, next(iter(kinds.values())) if definition.kind == "*" else kinds[definition.kind])
    rule = Rule(
        id=definition.id,
        version=definition.version or file.version,
        standard=file.standard,
        kind=definition.kind,
        order=order,
        title=dict(definition.title),
        advice=dict(definition.advice),
        priority=definition.priority,
        departments=tuple(definition.departments),
        source=definition.source,
        confidence=definition.confidence,
        where=_where(definition),
        needs=compiler.needs,
        value=compiler.number(("value",), compiler.value_text()) if definition.value is not None else None,
        value_text=definition.value or "",
        unit=compiler.unit(),
        thresholds=compiler.thresholds(),
        when=compiler.conditions("when", definition.when),
        when_texts={str(word): text for word, text in (definition.when or {}).items()},
        also=compiler.conditions("and", definition.and_),
        ladder=Ladder(
            tuple((level_of(w).value, definition.hold(w)) for w in definition.levels()), definition.clear.for_
        ),
        clear=compiler.clear(),
        clear_text=_clear_text(definition),
        evidence={
            name: compiler.number(("evidence", name), text, may_miss=True) for name, text in definition.evidence.items()
        },
        nights=compiler.nights(),
        schedule=_schedule(definition),
        data_fault=definition.no_data is not None or definition.stuck is not None,
        silent=definition.no_data is not None,
        same_value=_text_of(definition, SAME_VALUE),
        same_levels=_text_of(definition, SAME_LEVELS),
        file=place,
        line=line,
    )
    compiler.needs.optional -= compiler.needs.attributes
    return rule


SAME_VALUE = {"kind", "value", "stuck"}
SAME_LEVELS = {
    "above", "below", "above_or_equal", "below_or_equal", "outside", "when", "and_", "for_", "clear", "nights",
    "schedule",
}  # fmt: skip


def _text_of(definition: RuleDefinition, fields: set[str]) -> str:
    """The same for definitions that say the same in these keys."""
    silent = definition.no_data is not None
    return f"{silent} {sorted(definition.model_dump(mode='python', include=fields).items())}"


def _clear_text(definition: RuleDefinition) -> str:
    given = definition.clear
    parts = [f"{name.replace('_', ' ')} {text}" for name in COMPARISONS if (text := getattr(given, name)) is not None]
    if given.inside is not None:
        parts.append(f"from {given.inside[0]} to {given.inside[1]}")
    if given.when is not None:
        parts.append(given.when)
    return f"{' and '.join(parts) or 'no level holds'}, for {given.for_}"


def _schedule(definition: RuleDefinition) -> Schedule | None:
    given = definition.schedule
    return Schedule(tuple(given.hours), tuple(given.seasons), given.mode or "") if given else None


def _where(definition: RuleDefinition) -> Where:
    where = definition.where
    return Where(
        frozenset(where.profile or ()),
        tuple(zone.rstrip("/") for zone in where.zone or ()),
        frozenset(where.department or ()),
        frozenset(where.asset_id or ()),
        {name: frozenset(allowed) for name, allowed in where.attributes.items()},
    )


class _Compiler:
    def __init__(self, definition: RuleDefinition, kind: Kind) -> None:
        self.needs = Needs()
        self._definition = definition
        self._kind = kind

    def number(
        self, place: Place, text: str, *, readings: bool = True, may_miss: bool = False, lengths: bool = False
    ) -> NumberFunction:
        node = self._checked(place, text, condition=False, readings=readings, may_miss=may_miss, lengths=lengths)
        return number_function(node)

    def value_text(self) -> str:
        """The expression that thresholds compare; of a `stuck` rule, for how long its field has not changed."""
        text = self._definition.value or ""
        if not self._definition.stuck:
            return text
        if text.strip() not in self._kind.field_names:
            fields = ", ".join(self._kind.field_names)
            raise DefinitionError(("value",), f"the value of a `stuck` rule is one field; fields: {fields}")
        return f"unchanged({text})"

    def unit(self) -> str:
        """The unit of the value: as the author says, or as it follows from the fields'."""
        text = self.value_text()
        if self._definition.no_data:
            return "s"
        return self._definition.unit or (unit_of(parse(text), self._kind) if text else "")

    def nights(self) -> NightCount | None:
        """After the expressions: their hours are the nights."""
        given = self._definition.nights
        if given is None:
            return None
        hours = sorted({key.hours for key in self.needs.windows if key.hours})
        if len(hours) != 1:
            found = f"this rule has {', '.join(hours)}" if hours else "this rule has none"
            raise DefinitionError(
                ("nights",), f'`nights` needs one hours("…") in the expressions, whose nights are counted; {found}'
            )
        return NightCount(given.at_least, given.of, hours[0])

    def conditions(self, key: str, given: Mapping[LevelWord, str] | None) -> dict[int, ConditionFunction]:
        return {
            level_of(word).value: condition_function(self._checked((key, word), text, condition=True))
            for word, text in (given or {}).items()
        }

    def _checked(
        self,
        place: Place,
        text: str,
        *,
        condition: bool,
        readings: bool = True,
        may_miss: bool = False,
        lengths: bool = False,
    ) -> nodes.Node:
        try:
            node = parse(text)
            needs = check(node, text, self._kind, condition=condition, readings=readings, lengths=lengths)
        except ExpressionError as error:
            raise DefinitionError(place, error.message, error.drawing()) from None
        if may_miss:
            needs.optional |= needs.attributes
            needs.attributes = set()
        self.needs.add(needs)
        return node

    def _threshold(self, place: Place, level: int, comparison: str, text: str, *, lengths: bool = False) -> Threshold:
        # a level whose attribute is missing cannot be reached; a clear condition's attribute must be there
        limit = self.number(place, text, readings=False, may_miss=level > 0, lengths=lengths)
        column = f"limit/{self._definition.id}/{'/'.join(map(str, place))}"
        return Threshold(level, comparison, limit, _constant(text), text, column)

    def thresholds(self) -> tuple[Threshold, ...]:
        result = []
        for key in ("no_data", "stuck"):
            for word, text in (getattr(self._definition, key) or {}).items():
                level = level_of(word).value
                result.append(self._threshold((key, word), level, "above_or_equal", text, lengths=True))
            self._check_order(key, result)
        for comparison in COMPARISONS:
            given = getattr(self._definition, comparison) or {}
            for word, text in given.items():
                result.append(self._threshold((comparison, word), level_of(word).value, comparison, text))
            self._check_order(comparison, [t for t in result if t.comparison == comparison])
        for word, (low, high) in (self._definition.outside or {}).items():
            level = level_of(word).value
            result.append(self._threshold(("outside", word, 0), level, "below", low))
            result.append(self._threshold(("outside", word, 1), level, "above", high))
        for number, comparison in enumerate(("below", "above")):
            self._check_order(comparison, [t for t in result if t.column.endswith(f"/{number}")], "outside")
        self._check_overlap(result)
        self._check_reach(result)
        return tuple(result)

    def _check_overlap(self, thresholds: list[Threshold]) -> None:
        """A value must not be too high and too low at once."""
        above = [t for t in thresholds if t.comparison.startswith("above") and t.constant is not None]
        below = [t for t in thresholds if t.comparison.startswith("below") and t.constant is not None]
        for low in below:
            for high in above:
                if high.constant is not None and low.constant is not None and high.constant < low.constant:
                    raise DefinitionError(
                        (low.column.split("/")[2], LEVELS[low.level - 1].word),
                        f"overlaps: every value between {high.text} and {low.text} is both below {low.text} "
                        f"({LEVELS[low.level - 1].word}) and above {high.text} ({LEVELS[high.level - 1].word})",
                    )

    def _check_reach(self, thresholds: list[Threshold]) -> None:
        """A level of a plain field must lie within what its instrument can give."""
        name = (self._definition.value or "").strip()
        if name not in self._kind.field_names or self._definition.stuck:
            return
        field = self._kind.field(name)
        for threshold in thresholds:
            limit, rising = threshold.constant, threshold.comparison.startswith("above")
            strict = not threshold.comparison.endswith("equal")
            if limit is None:
                continue
            end = field.maximum if rising else field.minimum
            beyond = limit > end if rising else limit < end
            if beyond or (strict and limit == end):
                word = LEVELS[threshold.level - 1].word
                raise DefinitionError(
                    (threshold.column.split("/")[2], word),
                    f"{word} is never reached: {name} is from {field.minimum:g} to {field.maximum:g} {field.unit}",
                )

    def _check_order(self, comparison: str, thresholds: list[Threshold], key: str = "") -> None:
        known = sorted((t for t in thresholds if t.constant is not None), key=lambda t: t.level)
        rising = comparison.startswith(("above", "no_data", "stuck"))
        for lower, higher in pairwise(known):
            if lower.constant is None or higher.constant is None:
                continue
            if (higher.constant <= lower.constant) if rising else (higher.constant >= lower.constant):
                words = [
                    level.word for level in (level_of("blue"), level_of("yellow"), level_of("orange"), level_of("red"))
                ]
                high, low = words[higher.level - 1], words[lower.level - 1]
                raise DefinitionError(
                    (key or comparison, high),
                    f"{high} ({higher.text}) is reached before {low} ({lower.text}), so {low} never would be; "
                    f"`{key or comparison}` must {'rise' if rising else 'fall'} from blue to red",
                )

    def clear(self) -> Clear | None:
        given = self._definition.clear
        thresholds = []
        for comparison in COMPARISONS:
            text = getattr(given, comparison)
            if text is not None:
                thresholds.append(self._threshold(("clear", comparison), 0, comparison, text))
        if given.inside is not None:
            low, high = given.inside
            thresholds.append(self._threshold(("clear", "inside", 0), 0, "above_or_equal", low))
            thresholds.append(self._threshold(("clear", "inside", 1), 0, "below_or_equal", high))
        when = None
        if given.when is not None:
            when = condition_function(self._checked(("clear", "when"), given.when, condition=True))
        if not thresholds and when is None:
            return None
        return Clear(tuple(thresholds), when)


class _NoRows:
    """A frame for expressions of constants."""

    def field(self, name: str) -> np.float64:
        return np.float64("nan")

    attribute = field
    window = field

    def period(self) -> np.float64:
        return np.float64("nan")


def _constant(text: str) -> float | None:
    node = parse(text)
    return None if _names_attribute(node) else float(number_function(node)(_NoRows()))  # type: ignore[arg-type]


def _names_attribute(node: object) -> bool:
    if isinstance(node, nodes.Attribute) or (isinstance(node, nodes.Duration) and periods(node.text) is not None):
        return True
    if isinstance(node, tuple):
        return any(_names_attribute(part) for part in node)
    return isinstance(node, nodes.Node) and any(
        _names_attribute(getattr(node, name)) for name in node.__dataclass_fields__ if name != "span"
    )
