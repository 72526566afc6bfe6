"""Largest less smallest reading in a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    known = parts.minimum.present & parts.maximum.present
    return np.where(known, scale.units(parts.maximum.steps - parts.minimum.steps), np.nan)


RANGE = Aggregate(
    "range", "Largest less smallest reading in the window.", (Need.MINIMUM, Need.MAXIMUM), _value, form=Form.HOURS_TOO
)
