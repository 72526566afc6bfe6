"""Quantiles of a window."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return scale.units(parts.quantiles[parts.q])


QUANTILE = Aggregate(
    "quantile",
    "`quantile(x, 10m, 0.9)`: what nine tenths of the means of the window's buckets do not exceed; with one reading a "
    "bucket, of the readings. Between two of them, a straight line; 0.5 is the median, 0 the smallest, 1 the largest.",
    (Need.MEANS,),
    _value,
    form=Form.WINDOW_AND_Q,
)
