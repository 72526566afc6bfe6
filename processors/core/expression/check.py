"""Checks of a tree: names, numbers of arguments, what is a number and what a condition; and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from processors.core.aggregates import AGGREGATES, Aggregate, Form, Need
from processors.core.durations import ALLOWED, UNITS_MS, duration_ms, duration_text, periods
from processors.core.expression import nodes
from processors.core.expression.errors import ExpressionError, suggestion
from processors.core.expression.functions import FORECAST, HAS, NOT_YET, SCALAR_FUNCTIONS, ScalarFunction
from processors.core.expression.nodes import Node, Span
from processors.core.local_time import DAY_MS, HOUR_MS, parse_hours
from processors.core.windows.keys import WindowKey
from processors.core.windows.spreads import MOST_STEPS
from schemas.kinds import Kind

SHORTEST_WINDOW_MS = 1000
LONGEST_WINDOW_MS = 30 * UNITS_MS["d"]
MOST_HOURS = 7 * 24
MOST_DAYS = {Form.DAYS: 14, Form.HOURS_AND_DAYS: 30}


@dataclass(slots=True)
class Needs:
    """What expressions ask for: fields of the reading, windows, attributes without which a sensor is left out
    (`attributes`), and attributes that may be missing (`optional`).
    """

    fields: set[str] = field(default_factory=set)
    windows: set[WindowKey] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)

    def add(self, other: Needs) -> None:
        self.fields |= other.fields
        self.windows |= other.windows
        self.attributes |= other.attributes
        self.optional |= other.optional


def check(
    node: Node, text: str, kind: Kind, *, condition: bool = False, readings: bool = True, lengths: bool = False
) -> Needs:
    """Check an expression that is to give a number, or a condition. Raises `ExpressionError`.

    Without `readings`, only numbers and attributes are allowed (thresholds); with `lengths`, lengths of time are
    numbers too (`max(3 periods, 2m)`, in seconds).
    """
    checker = _Checker(text, kind, readings, lengths)
    if condition:
        checker.condition(node)
    else:
        checker.number(node)
    checker.needs.optional -= checker.needs.attributes
    return checker.needs


class _Checker:
    def __init__(self, text: str, kind: Kind, readings: bool, lengths: bool) -> None:
        self.needs = Needs()
        self._text = text
        self._kind = kind
        self._readings = readings
        self._lengths = lengths
        self._may_miss = 0  # depth of arguments whose attributes may be missing

    def _error(self, message: str, span: Span) -> ExpressionError:
        return ExpressionError(message, self._text, span)

    def number(self, node: Node) -> None:
        match node:
            case nodes.Number():
                return
            case nodes.Name():
                self._field(node)
                self.needs.fields.add(node.name)
            case nodes.Attribute():
                (self.needs.optional if self._may_miss else self.needs.attributes).add(node.name)
            case nodes.Minus():
                self.number(node.operand)
            case nodes.Arithmetic():
                self.number(node.left)
                self.number(node.right)
            case nodes.Call():
                self._call(node)
            case nodes.Duration() if self._lengths:
                self._length(node)
            case nodes.Comparison() | nodes.AllOf() | nodes.AnyOf() | nodes.Not():
                raise self._error("a number is needed here, not a condition", node.span)
            case nodes.Named():
                raise self._error(f"`{node.name}=` is not an argument of this function", node.span)
            case _:
                what = "a text" if isinstance(node, nodes.Text) else "a length of time"
                raise self._error(f"a number is needed here, not {what}", node.span)

    def condition(self, node: Node) -> None:
        match node:
            case nodes.Comparison():
                self.number(node.left)
                self.number(node.right)
            case nodes.AllOf() | nodes.AnyOf():
                for part in node.parts:
                    self.condition(part)
            case nodes.Not():
                self.condition(node.operand)
            case nodes.Call() if node.function == HAS:
                if len(node.arguments) != 1 or not isinstance(node.arguments[0], nodes.Attribute):
                    raise self._error("`has` takes one registry attribute: has(attr.name)", node.span)
                self.needs.optional.add(node.arguments[0].name)
            case _:
                raise self._error("a condition is needed here, such as `level_m > 2`", node.span)

    def _length(self, node: nodes.Duration) -> None:
        if periods(node.text) is None:
            try:
                duration_ms(node.text)
            except ValueError:
                message = f"`{node.text}` is not a length of time; allowed: {ALLOWED}, or `3 periods`"
                raise self._error(message, node.span) from None

    def _field(self, node: nodes.Name) -> None:
        if not self._readings:
            raise self._error("only numbers and registry attributes (attr.name) are allowed here", node.span)
        names = self._kind.field_names
        if node.name not in names:
            near = suggestion(node.name, names)
            raise self._error(
                f"`{node.name}` is not a field of {self._kind.name}{near or ';'} fields: {', '.join(names)}; "
                "registry attributes are written attr.name",
                node.span,
            )

    def _call(self, node: nodes.Call) -> None:
        if node.function in ("max", "min") and self._lengths:
            self._scalar(node, SCALAR_FUNCTIONS["greatest" if node.function == "max" else "least"])
        elif node.function in AGGREGATES:
            self._window(node)
        elif node.function == FORECAST:
            self._forecast(node)
        elif node.function in SCALAR_FUNCTIONS:
            self._scalar(node, SCALAR_FUNCTIONS[node.function])
        elif node.function == HAS:
            raise self._error("a number is needed here, not a condition", node.span)
        elif node.function in NOT_YET:
            raise self._error(
                f"`{node.function}` ({NOT_YET[node.function]}) is not available in this version; "
                f"available: {', '.join(_functions())}",
                node.name_span,
            )
        else:
            near = suggestion(node.function, _functions())
            message = f"`{node.function}` is not a function{near or ';'} functions: {', '.join(_functions())}"
            raise self._error(message, node.name_span)

    def _scalar(self, node: nodes.Call, function: ScalarFunction) -> None:
        count = len(node.arguments)
        if count < function.least or (function.most is not None and count > function.most):
            raise self._error(f"{function.doc} It has {count} arguments here", node.span)
        rest = node.arguments
        if function.condition:
            self.condition(rest[0])
            rest = rest[1:]
        for number, argument in enumerate(rest):
            # the attributes of what is not always taken may be missing: then this part has no value
            may_miss = function.condition or (function.name == "or_else" and number == 0)
            self._may_miss += may_miss
            self.number(argument)
            self._may_miss -= may_miss

    def _window(self, node: nodes.Call) -> None:
        first = self._kind.field_names[0]
        forms = {
            Form.WINDOW: f"(field, window), such as {node.function}({first}, 10m)",
            Form.HOURS_TOO: f"(field, window), such as {node.function}({first}, 10m) or "
            f'{node.function}({first}, hours("02:00-04:00"))',
            Form.WINDOW_AND_Q: f"(field, window, q), such as {node.function}({first}, 10m, 0.9)",
            Form.DAYS: f"(field, days), such as {node.function}({first}, 7d)",
            Form.HOURS_AND_DAYS: f'(field, hours, days), such as {node.function}({first}, hours("02:00-04:00"), 14d)',
            Form.WHOLE_HOURS: f"(field, hours), such as {node.function}({first}, 24h)",
            Form.NOTHING: f"(field), such as {node.function}({first})",
        }
        aggregate = AGGREGATES[node.function]
        wanted = aggregate.form
        form = node.function + forms[wanted]
        if not self._readings:
            raise self._error("only numbers and registry attributes (attr.name) are allowed here", node.span)
        if len(node.arguments) != {Form.NOTHING: 1, Form.HOURS_AND_DAYS: 3, Form.WINDOW_AND_Q: 3}.get(wanted, 2):
            raise self._error(f"`{node.function}` is written {form}", node.span)
        series, *rest = node.arguments
        if not isinstance(series, nodes.Name):
            raise self._error(f"`{node.function}` takes a field of {self._kind.name} first: {form}", series.span)
        self._field(series)
        self._fits(node.function, series)
        key = WindowKey(node.function, series.name, 0)
        match rest:
            case [nodes.Call(function="each") as each, *rest]:
                key = key._replace(length_ms=self._each(each, form, aggregate), tumbling=True)
            case [hours, *rest] if wanted is Form.HOURS_AND_DAYS or (
                wanted is Form.HOURS_TOO and isinstance(hours, nodes.Call)
            ):
                key = key._replace(hours=self._hours(hours, form))
                if rest:
                    key = key._replace(length_ms=self._window_length(rest[0], form, aggregate))
            case [length, *rest]:
                key = key._replace(length_ms=self._window_length(length, form, aggregate))
        if wanted is Form.WINDOW_AND_Q:
            key = key._replace(q=self._q(rest[0], form))
        self.needs.windows.add(key)

    def _each(self, node: nodes.Call, form: str, aggregate: Aggregate) -> int:
        if not aggregate.tumbles:
            raise self._error(f"`{aggregate.name}` is not there for windows that stand side by side: {form}", node.span)
        if len(node.arguments) != 1:
            raise self._error("windows that stand side by side are written each(10m)", node.span)
        return self._window_length(node.arguments[0], form, aggregate)

    def _fits(self, function: str, series: nodes.Name) -> None:
        """Squares must be exact."""
        field = self._kind.field(series.name)
        widest = max(abs(field.minimum), abs(field.maximum))
        if Need.SPREAD in AGGREGATES[function].needs and widest > MOST_STEPS * field.resolution:
            raise self._error(
                f"`{function}` of {field.name} would not be exact: its min and max in the kind's .avsc are up to "
                f"{widest / field.resolution:.3g} steps of {field.resolution:g} {field.unit} from 0; "
                f"allowed: 2^30 ({MOST_STEPS:.3g})",
                series.span,
            )

    def _q(self, node: Node, form: str) -> float:
        if not isinstance(node, nodes.Number) or not 0 <= node.value <= 1:
            raise self._error(f"q is a number from 0 to 1 (0.5 is the median): {form}", node.span)
        return node.value

    def _forecast(self, node: nodes.Call) -> None:
        form = f"forecast(field, window, until=value), such as forecast({self._kind.field_names[0]}, 10m, until=25)"
        if not self._readings:
            raise self._error("only numbers and registry attributes (attr.name) are allowed here", node.span)
        match node.arguments:
            case (series, window, nodes.Named(name="until", value=until)):
                pass
            case _:
                raise self._error(f"`forecast` is written {form}", node.span)
        match series:
            case nodes.Arithmetic(sign="*", left=nodes.Number(value=factor), right=nodes.Name() as field) if factor:
                pass
            case nodes.Name() as field:
                pass
            case _:
                raise self._error(f"`forecast` takes a field, or a number times a field, first: {form}", series.span)
        self._field(field)
        length = self._window_length(window, form, AGGREGATES["trend"])
        self.number(until)
        for name in ("trend", "fitted"):
            self.needs.windows.add(WindowKey(name, field.name, length))

    def _hours(self, node: Node, form: str) -> str:
        match node:
            case nodes.Call(function="hours", arguments=(nodes.Text(text=text),)):
                try:
                    parse_hours(text)
                except ValueError as error:
                    raise self._error(str(error), node.span) from None
                return text
        if isinstance(node, nodes.Call) and node.function in NOT_YET:
            self._call(node)
        raise self._error(f'hours are written hours("02:00-04:00"): {form}', node.span)

    def _window_length(self, window: Node, form: str, aggregate: Aggregate) -> int:
        if not isinstance(window, nodes.Duration):
            if isinstance(window, nodes.Call) and window.function in NOT_YET:
                self._call(window)
            raise self._error(f"`{aggregate.name}` takes a length of time here: {form}", window.span)
        try:
            length = duration_ms(window.text)
        except ValueError:
            message = f"`{window.text}` cannot be the length of a window; allowed: {ALLOWED}"
            raise self._error(message, window.span) from None
        if aggregate.form in (Form.DAYS, Form.HOURS_AND_DAYS):
            most = MOST_DAYS[aggregate.form]
            if length % DAY_MS or not 1 <= length // DAY_MS <= most:
                raise self._error(f"the baseline is {duration_text(length)}; allowed: 1d to {most}d", window.span)
        elif aggregate.form is Form.WHOLE_HOURS:
            if length % HOUR_MS or not 2 <= length // HOUR_MS <= MOST_HOURS:
                raise self._error(
                    f"the usual level is of {duration_text(length)}; allowed: whole hours, 2h to 7d", window.span
                )
        elif not SHORTEST_WINDOW_MS <= length <= LONGEST_WINDOW_MS:
            raise self._error(
                f"the window is {duration_text(length)}; allowed: 1s to 30d",
                window.span,
            )
        return length


def _functions() -> list[str]:
    return [*AGGREGATES, *SCALAR_FUNCTIONS, FORECAST, HAS]
