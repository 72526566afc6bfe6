"""Number of readings in a window."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return parts.totals.count.astype(float)


COUNT = Aggregate(
    "count",
    "Number of readings in the window that have the field; 0 if none has.",
    (Need.TOTALS,),
    _value,
    "1",
    form=Form.HOURS_TOO,
)
