"""Newest reading in a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return np.where(parts.newest_inside, scale.units(parts.newest.steps), np.nan)


LAST = Aggregate(
    "last", "Reading with the newest time in the window, whatever order they came in.", (Need.NEWEST,), _value
)
