"""Standard deviations from sums: exact at the ends of what a field may measure, and after any number of readings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from processors.core.expression.check import check
from processors.core.expression.errors import ExpressionError
from processors.core.expression.parse import parse
from processors.core.windows.spreads import MOST_STEPS, WindowSpread, deviation, spread_terms
from schemas.kinds import load_kinds, parse_kind
from tests.unit.processors.core.support import KIND


def spread(values: Sequence[int], times: int = 1) -> WindowSpread:
    steps = np.array(values, np.int64)
    terms = spread_terms(steps, np.ones(len(steps), np.bool_))
    return WindowSpread(*(np.array([int(term.sum()) * times], np.int64) for term in terms))


@pytest.mark.parametrize("times", [1, 7, 2**20])
@pytest.mark.parametrize(
    "values",
    [
        [0, 1],
        [MOST_STEPS, MOST_STEPS - 1, MOST_STEPS - 3],
        [-MOST_STEPS, 1 - MOST_STEPS],
        [MOST_STEPS, -MOST_STEPS],
        [MOST_STEPS - 2, MOST_STEPS, 3, 4, -17],
        [5, 5, 5, 6],
    ],
)
def test_it_is_that_of_whole_numbers_however_far_from_zero(values: list[int], times: int) -> None:
    number = len(values) * times
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in values) * times / (number - 1)
    assert deviation(spread(values, times))[0] == pytest.approx(float(variance) ** 0.5, rel=1e-15)


def test_of_equal_values_it_is_zero_and_of_less_than_two_there_is_none() -> None:
    assert deviation(spread([MOST_STEPS], 2**28)).tolist() == [0.0]
    assert deviation(spread([7, 7])).tolist() == [0.0]
    assert np.isnan(deviation(spread([7]))).all()
    assert np.isnan(deviation(spread([]))).all()


def test_every_field_of_the_built_in_kinds_has_one_and_one_that_is_too_wide_is_refused() -> None:
    for kind in load_kinds().values():
        for name in kind.field_names:
            check(parse(f"std({name}, 10m)"), "", kind)
    schema = {**KIND.schema, "fields": [dict(field) for field in KIND.schema["fields"]]}
    schema["fields"][2]["max"] = 2e9
    text = "1 + std(a, 10m)"
    with pytest.raises(ExpressionError) as raised:
        check(parse(text), text, parse_kind(schema, "probe"))
    assert raised.value.message == (
        "`std` of a would not be exact: its min and max in the kind's .avsc are up to 2e+10 steps of 0.1 1 from 0; "
        "allowed: 2^30 (1.07e+09)"
    )
    assert text[raised.value.span.start : raised.value.span.end] == "a"
