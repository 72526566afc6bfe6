"""Smallest reading in a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return np.where(parts.minimum.present, scale.units(parts.minimum.steps), np.nan)


MINIMUM = Aggregate("min", "Smallest reading in the window.", (Need.MINIMUM,), _value, form=Form.HOURS_TOO)
