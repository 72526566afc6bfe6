"""Rate of change over a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    elapsed = parts.newest.times - parts.oldest.times
    known = parts.newest_inside & (elapsed > 0)
    change = scale.units(parts.newest.steps - parts.oldest.steps)
    return np.where(known, change / (np.where(known, elapsed, 1) / 1000.0), np.nan)


RATE = Aggregate(
    "rate",
    "Change a second between the readings that `change` takes.",
    (Need.OLDEST, Need.NEWEST),
    _value,
    "the field's a second",
)
