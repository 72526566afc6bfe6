"""The straight line through a window: its slope, and where it is now."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _slope(parts: Parts, scale: Scale) -> Floats:
    return scale.units(parts.line.slope)


def _level(parts: Parts, scale: Scale) -> Floats:
    return scale.units(parts.line.level)


TREND = Aggregate(
    "trend",
    "Slope, a second, of the straight line that fits the readings in the window best (least squares). "
    "No value with readings of one time only.",
    (Need.LINE,),
    _slope,
    "the field's a second",
)
FITTED = Aggregate("fitted", "Where that line is at the newest time.", (Need.LINE,), _level)
