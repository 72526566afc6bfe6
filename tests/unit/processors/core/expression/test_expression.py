"""Expressions: precedence, three-valued conditions, and faults with a caret under them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.core.expression.check import check
from processors.core.expression.errors import ExpressionError
from processors.core.expression.evaluate import Value, condition_function, number_function
from processors.core.expression.parse import parse
from processors.core.windows.keys import WindowKey
from tests.unit.processors.core.support import KIND

NAN = math.nan


class Row:
    """A frame of two rows: a is 3 and missing, b is 2; attr.x is 10, attr.none is missing; every window is 7."""

    def field(self, name: str) -> Value:
        return {"a": np.array([3.0, NAN]), "b": np.array([2.0, 2.0])}[name]

    def attribute(self, name: str) -> Value:
        return np.full(2, 10.0 if name == "x" else NAN)

    def window(self, key: WindowKey) -> Value:
        return np.full(2, 7.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("8 / 4 / 2", 1),
        ("-2 * -3", 6),
        ("2 - -a", 5),
        ("1.5e1 + .5", 15.5),
        ("100 * abs(a - attr.x) / 7", 100),
        ("mean(a, 10m) - b", 5),
        ("least(a, b, 9)", 2),
        ("greatest(a, b, attr.x)", 10),
        ("or_else(attr.none, b)", 2),
        ("or_else(a, attr.none)", 3),
        ("if(a > b, 1, 2)", 1),
        ("if(has(attr.x), 1, 2)", 1),
        ("if(has(attr.none), attr.none, 2)", 2),
        ("if(attr.none > 1, 1, 2)", NAN),
        ("attr.none + 1", NAN),
        ("1 / 0", math.inf),
        ("0 / 0", NAN),
    ],
)
def test_numbers(text: str, expected: float) -> None:
    node = parse(text)
    check(node, text, KIND)
    with np.errstate(all="ignore"):
        got = np.broadcast_to(number_function(node)(Row()), (2,))[0]
    assert got == pytest.approx(expected, nan_ok=True, rel=0, abs=0)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("a > 2", True, None),
        ("a >= 3 and b < 2", False, False),  # false whatever a is
        ("a >= 3 or b < 2", True, None),
        ("a >= 3 or b == 2", True, True),  # true whatever a is
        ("not a == 3", False, None),
        ("not a == 3 and b != 2 or b <= 2", True, True),
        ("has(attr.x) and not has(attr.none)", True, True),
        ("a > 2 and (b > 3 or b > 1)", True, None),
    ],
)
def test_conditions_are_true_false_or_not_known(text: str, first: bool | None, second: bool | None) -> None:
    node = parse(text)
    check(node, text, KIND, condition=True)
    truth = condition_function(node)(Row())
    holds, known = np.broadcast_to(truth.holds, (2,)), np.broadcast_to(truth.known, (2,))
    assert [bool(h) if k else None for h, k in zip(holds, known, strict=True)] == [first, second]
    assert not (holds & ~known).any()


def test_what_an_expression_needs() -> None:
    text = "mean(a, 1m) + a - attr.x + if(has(attr.y), attr.y * max(b, 2h), 0) + or_else(attr.z, attr.x)"
    text += " + sum(a, each(1d)) + quantile(a, each(1h), 0.9)"
    needs = check(parse(text), text, KIND)
    assert needs.fields == {"a"}
    assert needs.windows == {WindowKey("mean", "a", 60_000), WindowKey("max", "b", 7_200_000)} | {
        WindowKey("sum", "a", 86_400_000, tumbling=True),
        WindowKey("quantile", "a", 3_600_000, tumbling=True, q=0.9),
    }
    assert {str(key) for key in needs.windows} == {
        "mean(a, 1m)", "max(b, 2h)", "sum(a, each(1d))", "quantile(a, each(1h), 0.9)",
    }  # fmt: skip
    assert needs.attributes == {"x"}
    assert needs.optional == {"y", "z"}


@pytest.mark.parametrize(
    ("text", "message", "under"),
    [
        ("meen(a, 10m)", "`meen` is not a function; did you mean `mean`?", "meen"),
        ("mean(aa, 10m)", "`aa` is not a field of probe; did you mean `a`?", "aa"),
        (
            "level + 1",
            "`level` is not a field of probe; fields: a, b; registry attributes are written attr.name",
            "level",
        ),
        ("mean(2 * a, 10m)", "`mean` takes a field of probe first", "2 * a"),
        ("mean(a)", "`mean` is written mean(field, window), such as mean(a, 10m)", "mean(a)"),
        ("mean(a, 10)", "`mean` takes a length of time here", "10"),
        ("mean(a, 10x)", "`10x` is not a length of time; allowed: a number and ms, s, m, h or d", "10x"),
        ("mean(a, 40d)", "the window is 40d; allowed: 1s to 30d", "40d"),
        ("mean(a, 500ms)", "the window is 500ms; allowed: 1s to 30d", "500ms"),
        ("mean(a, 3 readings)", "`3 readings` cannot be the length of a window", "3 readings"),
        ("forecast(a, 10m)", "`forecast` is written forecast(field, window, until=value)", "forecast(a, 10m)"),
        ("forecast(a + 1, 10m, until=2)", "`forecast` takes a field, or a number times a field, first", "a + 1"),
        ("share(a, 10m)", "`share` (the share of a zone's sensors) is not available in this version", "share"),
        ("quantile(a, 10m)", "`quantile` is written quantile(field, window, q), such as", "quantile(a, 10m)"),
        ("quantile(a, 10m, 90)", "q is a number from 0 to 1 (0.5 is the median)", "90"),
        ("quantile(a, 10m, b)", "q is a number from 0 to 1 (0.5 is the median)", "b"),
        ('quantile(a, hours("02:00-04:00"), 0.9)', "`quantile` takes a length of time here", 'hours("02:00-04:00")'),
        ("mean(a, each(40d))", "the window is 40d; allowed: 1s to 30d", "40d"),
        ("mean(a, each(10))", "`mean` takes a length of time here", "10"),
        ("mean(a, each(1m, 2m))", "windows that stand side by side are written each(10m)", "each(1m, 2m)"),
        ("trend(a, each(10m))", "`trend` is not there for windows that stand side by side", "each(10m)"),
        ("same_hour_median(a, each(1d))", "`same_hour_median` is not there for windows that", "each(1d)"),
        ("quantile(a, each(1m))", "`quantile` is written quantile(field, window, q)", "quantile(a, each(1m))"),
        ("median(a, 10m, 0.9)", "`median` is written median(field, window), such as", "median(a, 10m, 0.9)"),
        ('min(a, hours("2-4"))', "'2-4' are not hours; allowed: from and to as 02:00-04:00", 'hours("2-4")'),
        ('last(a, hours("02:00-04:00"))', "`last` takes a length of time here", 'hours("02:00-04:00")'),
        ("same_hour_median(a, 10h)", "the baseline is 10h; allowed: 1d to 14d", "10h"),
        (
            "usual_minimum(a, 3d)",
            "`usual_minimum` is written usual_minimum(field, hours, days)",
            "usual_minimum(a, 3d)",
        ),
        ("unchanged(a, 3d)", "`unchanged` is written unchanged(field), such as", "unchanged(a, 3d)"),
        ("abs(a, b)", "the number without its sign. It has 2 arguments here", "abs(a, b)"),
        ("a + 10m", "a number is needed here, not a length of time", "10m"),
        ("a + 'b'", "a number is needed here, not a text", "'b'"),
        ("a > 1", "a number is needed here, not a condition", "a > 1"),
        ("abs(a > 1)", "a number is needed here, not a condition", "a > 1"),
        ("if(a, 1, 2)", "a condition is needed here, such as `level_m > 2`", "a"),
        ("has(attr.x)", "a number is needed here, not a condition", "has(attr.x)"),
        ("a + * b", "`*` is not expected here; expected", "*"),
        ("mean(a,", "the expression ends too early; expected", ""),
        ("a b", "`b` is not expected here", "b"),
        ("a $ b", "`$` is not understood here", "$"),
        ("a < b < 1", "`<` is not expected here", "<"),
        ("__import__('os')", "`__import__` is not a function", "__import__"),
        ("", "the expression is empty", ""),
    ],
)
def test_faults(text: str, message: str, under: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        check(parse(text), text, KIND)
    assert message in raised.value.message
    span = raised.value.span
    assert text[span.start : span.end] == under
    line, carets = raised.value.drawing("").split("\n")
    assert line == text
    assert carets == " " * span.start + "^" * max(1, len(under))


def test_a_fault_in_a_folded_expression_is_drawn_on_its_line() -> None:
    text = "a +\n  meen(b, 1m)\n+ 1"
    with pytest.raises(ExpressionError) as raised:
        check(parse(text), text, KIND)
    assert raised.value.drawing("") == "  meen(b, 1m)\n  ^^^^"


def test_thresholds_take_numbers_and_attributes_only() -> None:
    for text in ("a + 1", "mean(a, 1m)"):
        with pytest.raises(ExpressionError, match="only numbers and registry attributes"):
            check(parse(text), text, KIND, readings=False)
    assert check(parse("attr.x - 0.2"), "attr.x - 0.2", KIND, readings=False).attributes == {"x"}
