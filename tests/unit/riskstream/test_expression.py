import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.devices.expression import ExpressionError, column_expression, parse_expression

COLUMNS = {"CH4vmr_ppmv": np.array([500.0, 1000.0]), "WindX_m/s": np.array([1.0, np.nan]), "b": np.array([2.0, 0.0])}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("CH4vmr_ppmv/500", [1, 2]),
        ("CH4vmr_ppmv / 500 - 1", [0, 1]),
        ("-(b + 1) * 2", [-6, -2]),
        ("8 / 4 / 2 - 1 - 1", [-1, -1]),
        ("2 + 3 * b", [8, 2]),
        ("- - b", [2, 0]),
        ("1.5e3 + .5", [1500.5, 1500.5]),
        ("`WindX_m/s` * 3.6", [3.6, np.nan]),
        ('"WindX_m/s"', [1, np.nan]),
    ],
)
def test_computes_whole_columns(text, result):
    expression = parse_expression(text)
    assert set(expression.columns) <= set(COLUMNS)
    assert np.array_equal(np.broadcast_to(expression.evaluate(COLUMNS), 2), result, equal_nan=True)


def test_dividing_by_zero_is_not_finite():
    assert np.isinf(parse_expression("1 / b").evaluate(COLUMNS)[1])


@pytest.mark.parametrize(
    "text", ["", "1 +", "a b", "__import__('os')", "a.b()", "a[0]", "a ** 2", "a; b", "lambda: 1", "(" * 501, "a == b"]
)
def test_anything_else_is_refused_with_a_caret(text):
    with pytest.raises(ExpressionError, match=r"\^|longer than"):
        parse_expression(text)


def test_a_column_may_have_any_name():
    expression = column_expression("DMS_CN (um\\m)")
    assert expression.columns == ("DMS_CN (um\\m)",)
    assert expression.evaluate({"DMS_CN (um\\m)": np.array([3.0])}).tolist() == [3.0]


@given(st.text(max_size=30))
def test_no_text_ends_in_another_error(text):
    with contextlib.suppress(ExpressionError):
        parse_expression(text)
