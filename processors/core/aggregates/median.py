"""Median of a window."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale
from processors.core.windows.quantiles import MEDIAN_Q


def _value(parts: Parts, scale: Scale) -> Floats:
    return scale.units(parts.quantiles[MEDIAN_Q])


MEDIAN = Aggregate(
    "median",
    "Median of the means of the window's buckets that have readings; with one reading a bucket, of the readings. "
    "Of an even number, the mean of the middle two.",
    (Need.MEANS,),
    _value,
)
