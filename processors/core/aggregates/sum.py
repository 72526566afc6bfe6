"""Sum of the readings in a window."""

from __future__ import annotations

import numpy as np

from processors.core.aggregates.base import Aggregate, Form, Need, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale


def _value(parts: Parts, scale: Scale) -> Floats:
    return np.where(parts.totals.count == 0, np.nan, scale.units(parts.totals.sum))


SUM = Aggregate("sum", "Exact sum of the readings in the window.", (Need.TOTALS,), _value, form=Form.HOURS_TOO)
