"""Largest reading in a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return np.where(parts.maximum.present, scale.units(parts.maximum.steps), np.nan)


MAXIMUM = Aggregate("max", "Largest reading in the window.", (Need.MAXIMUM,), _value, form=Form.HOURS_TOO)
