"""Change over a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    known = parts.newest_inside & (parts.newest.times > parts.oldest.times)
    return np.where(known, scale.units(parts.newest.steps - parts.oldest.steps), np.nan)


CHANGE = Aggregate(
    "change",
    "Newest less oldest reading; the oldest is looked for in the window and one bucket before it, "
    "so that the two lie at least the window's length apart once there is so much data. "
    "No value with one reading only.",
    (Need.OLDEST, Need.NEWEST),
    _value,
)
