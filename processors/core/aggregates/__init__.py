"""The aggregates that rules may use: one module each, and this table."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.aggregates.change import CHANGE
from processors.core.aggregates.count import COUNT
from processors.core.aggregates.last import LAST
from processors.core.aggregates.maximum import MAXIMUM
from processors.core.aggregates.mean import MEAN
from processors.core.aggregates.median import MEDIAN
from processors.core.aggregates.minimum import MINIMUM
from processors.core.aggregates.quantile import QUANTILE
from processors.core.aggregates.range import RANGE
from processors.core.aggregates.rate import RATE
from processors.core.aggregates.std import STD
from processors.core.aggregates.sum import SUM
from processors.core.aggregates.trend import FITTED, TREND
from processors.core.aggregates.usual import SAME_HOUR_MEDIAN, UNCHANGED, USUAL, USUAL_LEVEL, USUAL_MINIMUM

AGGREGATES: dict[str, Aggregate] = {
    aggregate.name: aggregate
    for aggregate in (
        MEAN,
        MEDIAN,
        QUANTILE,
        STD,
        MINIMUM,
        MAXIMUM,
        RANGE,
        SUM,
        COUNT,
        LAST,
        CHANGE,
        RATE,
        TREND,
        FITTED,
        *USUAL,
    )
}

__all__ = [
    "AGGREGATES",
    "SAME_HOUR_MEDIAN",
    "UNCHANGED",
    "USUAL_LEVEL",
    "USUAL_MINIMUM",
    "Aggregate",
    "Form",
    "Need",
    "Parts",
]
