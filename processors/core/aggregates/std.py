"""Standard deviation of a window."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale
from processors.core.windows.spreads import deviation


def _value(parts: Parts, scale: Scale) -> Floats:
    return scale.units(deviation(parts.spread))


STD = Aggregate(
    "std",
    "Standard deviation of the readings in the window, as a sample (their squared distances to the mean, summed, "
    "over their number less one). No value with one reading only.",
    (Need.SPREAD,),
    _value,
    form=Form.HOURS_TOO,
)
