"""Mean of the readings in a window."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return scale.units(parts.totals.sum, parts.totals.count)


MEAN = Aggregate(
    "mean",
    "Mean of the readings in the window: their exact sum over their number.",
    (Need.TOTALS,),
    _value,
    form=Form.HOURS_TOO,
)
