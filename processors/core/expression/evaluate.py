"""Tree to a function of columns.

Numbers are float64 arrays (or one float64 for all rows); NaN is "no value". Conditions are three-valued: a comparison
with no value is neither true nor false.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from processors.core.aggregates import AGGREGATES
from processors.core.arrays import Bools, Floats
from processors.core.durations import duration_ms, periods
from processors.core.expression import nodes
from processors.core.expression.functions import FORECAST
from processors.core.expression.nodes import Node
from processors.core.windows.keys import WindowKey
from processors.core.windows.quantiles import MEDIAN_Q

Value: TypeAlias = Floats | np.float64


class Frame(Protocol):
    """The rows that an expression is evaluated at: a column for each thing that it may name."""

    def field(self, name: str) -> Value: ...

    def attribute(self, name: str) -> Value: ...

    def window(self, key: WindowKey) -> Value: ...

    def period(self) -> Value:
        """Seconds between a sensor's readings."""


NumberFunction: TypeAlias = Callable[[Frame], Value]


class Truth(NamedTuple):
    """A condition at each row: does it hold, and is it known."""

    holds: Bools | np.bool_
    known: Bools | np.bool_


ConditionFunction: TypeAlias = Callable[[Frame], Truth]

_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_COMPARISONS: dict[str, Callable[[Value, Value], Bools]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def number_function(node: Node) -> NumberFunction:
    """The function of a checked expression that gives a number. It may divide by zero: run it in `np.errstate`."""
    match node:
        case nodes.Number():
            constant = np.float64(node.value)
            return lambda frame: constant
        case nodes.Name():
            name = node.name
            return lambda frame: frame.field(name)
        case nodes.Attribute():
            name = node.name
            return lambda frame: frame.attribute(name)
        case nodes.Minus():
            operand = number_function(node.operand)
            return lambda frame: np.negative(operand(frame))
        case nodes.Arithmetic():
            calculate = _ARITHMETIC[node.sign]
            left, right = number_function(node.left), number_function(node.right)
            return lambda frame: calculate(left(frame), right(frame))
        case nodes.Duration():
            return _duration(node)
        case nodes.Call():
            return _call(node)
    raise TypeError(f"{type(node).__name__} is not a number; the expression has not been checked")


def _duration(node: nodes.Duration) -> NumberFunction:
    """Seconds; `3 periods` is of the sensor's own."""
    count = periods(node.text)
    if count is not None:
        return lambda frame: np.float64(count) * frame.period()
    seconds = np.float64(duration_ms(node.text) / 1000.0)
    return lambda frame: seconds


def _call(node: nodes.Call) -> NumberFunction:
    if node.function in AGGREGATES and isinstance(node.arguments[0], nodes.Name):
        key = window_key(node)
        return lambda frame: frame.window(key)
    if node.function == FORECAST:
        return _forecast(node)
    if node.function == "if":
        condition = condition_function(node.arguments[0])
        then, otherwise = number_function(node.arguments[1]), number_function(node.arguments[2])

        def choose(frame: Frame) -> Value:
            truth = condition(frame)
            return np.where(truth.known, np.where(truth.holds, then(frame), otherwise(frame)), np.nan)

        return choose
    arguments = [number_function(argument) for argument in node.arguments]
    first, rest = arguments[0], arguments[1:]
    if node.function == "abs":
        return lambda frame: np.abs(first(frame))
    if node.function == "or_else":
        second = rest[0]

        def or_else(frame: Frame) -> Value:
            value = first(frame)
            return np.where(np.isnan(value), second(frame), value)

        return or_else
    pick = {"least": np.minimum, "greatest": np.maximum, "min": np.minimum, "max": np.maximum}[node.function]

    def extreme(frame: Frame) -> Value:
        value = first(frame)
        for argument in rest:
            value = pick(value, argument(frame))
        return value

    return extreme


def forecast_windows(node: nodes.Call) -> tuple[float, WindowKey, WindowKey]:
    """Of a checked `forecast`: the factor of the field, and the windows of slope and level."""
    factor, (series, length) = 1.0, node.arguments[:2]
    if isinstance(series, nodes.Arithmetic) and isinstance(series.left, nodes.Number):
        factor, series = series.left.value, series.right
    if isinstance(series, nodes.Name) and isinstance(length, nodes.Duration):
        ms = duration_ms(length.text)
        return factor, WindowKey("trend", series.name, ms), WindowKey("fitted", series.name, ms)
    raise TypeError("`forecast` has not been checked")


def _forecast(node: nodes.Call) -> NumberFunction:
    factor, slope, level = forecast_windows(node)
    named = node.arguments[2]
    if not isinstance(named, nodes.Named):
        raise TypeError("`forecast` has not been checked")
    until = number_function(named.value)

    def seconds(frame: Frame) -> Value:
        ahead = (until(frame) / factor - frame.window(level)) / frame.window(slope)
        return np.where(ahead >= 0, ahead, np.nan)

    return seconds


def window_key(node: nodes.Call) -> WindowKey:
    """What window a checked call of an aggregate names."""
    length, hours, tumbling, q = 0, "", False, MEDIAN_Q
    for argument in node.arguments[1:]:
        match argument:
            case nodes.Number(value=value):
                q = value
            case nodes.Duration(text=text):
                length = duration_ms(text)
            case nodes.Call(arguments=(nodes.Text(text=text),)):
                hours = text
            case nodes.Call(arguments=(nodes.Duration(text=text),)):
                length, tumbling = duration_ms(text), True
    if isinstance(node.arguments[0], nodes.Name):
        return WindowKey(node.function, node.arguments[0].name, length, hours, tumbling, q)
    raise TypeError(f"`{node.function}` has not been checked")


def attribute_asked_for(node: nodes.Call) -> str:
    """What attribute a checked `has` names."""
    match node.arguments:
        case (nodes.Attribute(name=name),):
            return name
    raise TypeError(f"`{node.function}` has not been checked")


def condition_function(node: Node) -> ConditionFunction:
    """The function of a checked expression that gives a condition."""
    match node:
        case nodes.Comparison():
            compare = _COMPARISONS[node.sign]
            left, right = number_function(node.left), number_function(node.right)

            def comparison(frame: Frame) -> Truth:
                a, b = left(frame), right(frame)
                known = ~(np.isnan(a) | np.isnan(b))
                return Truth(compare(a, b) & known, known)

            return comparison
        case nodes.Not():
            operand = condition_function(node.operand)

            def negation(frame: Frame) -> Truth:
                truth = operand(frame)
                return Truth(~truth.holds & truth.known, truth.known)

            return negation
        case nodes.AllOf():
            parts = [condition_function(part) for part in node.parts]

            def all_of(frame: Frame) -> Truth:
                holds: Bools | np.bool_ = np.bool_(True)
                fails: Bools | np.bool_ = np.bool_(False)
                for part in parts:
                    truth = part(frame)
                    holds, fails = holds & truth.holds, fails | (truth.known & ~truth.holds)
                return Truth(holds, holds | fails)

            return all_of
        case nodes.AnyOf():
            parts = [condition_function(part) for part in node.parts]

            def any_of(frame: Frame) -> Truth:
                holds: Bools | np.bool_ = np.bool_(False)
                fails: Bools | np.bool_ = np.bool_(True)
                for part in parts:
                    truth = part(frame)
                    holds, fails = holds | truth.holds, fails & (truth.known & ~truth.holds)
                return Truth(holds, holds | fails)

            return any_of
        case nodes.Call():
            name = attribute_asked_for(node)
            return lambda frame: Truth(~np.isnan(frame.attribute(name)), np.bool_(True))
    raise TypeError(f"{type(node).__name__} is not a condition; the expression has not been checked")
