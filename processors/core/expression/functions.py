"""Functions of numbers that expressions may call; window functions are in `processors.core.aggregates`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """Takes `least` to `most` arguments (None: any number); with `condition`, the first is a comparison."""

    name: str
    doc: str
    least: int
    most: int | None
    condition: bool = False


SCALAR_FUNCTIONS: dict[str, ScalarFunction] = {
    function.name: function
    for function in (
        ScalarFunction("abs", "`abs(a)`: the number without its sign.", 1, 1),
        ScalarFunction("least", "`least(a, b, …)`: the smallest of the numbers.", 2, None),
        ScalarFunction("greatest", "`greatest(a, b, …)`: the largest of the numbers.", 2, None),
        ScalarFunction("or_else", "`or_else(a, b)`: `a`, or `b` where `a` has no value.", 2, 2),
        ScalarFunction("if", "`if(condition, a, b)`: `a` where the condition holds, else `b`.", 3, 3, condition=True),
    )
}

HAS = "has"
HAS_DOC = "`has(attr.x)`: has the registry this attribute for the sensor, as a number?"

FORECAST = "forecast"
FORECAST_DOC = (
    "`forecast(x, 10m, until=25)`: seconds until the straight line through the window reaches the value; no value if "
    "it moves away from it. `x` is a field, or a number times a field."
)

# Of the language, but not yet of this version: named so that a rule which uses them is refused with a reason.
NOT_YET = {
    "share": "the share of a zone's sensors",
}
