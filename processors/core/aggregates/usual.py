"""What is usual: medians over the days before, and for how long nothing has changed. Their state is their value."""

from __future__ import annotations

from processors.core.aggregates.base import Aggregate, Form, Parts
from processors.core.arrays import Floats
from processors.core.scale import Scale

SAME_HOUR_MEDIAN = "same_hour_median"
USUAL_MINIMUM = "usual_minimum"
USUAL_LEVEL = "usual_level"
UNCHANGED = "unchanged"


def _value(parts: Parts, scale: Scale) -> Floats:
    raise TypeError("its state gives the value itself")


USUAL = (
    Aggregate(
        SAME_HOUR_MEDIAN,
        "Median of the means that this hour had on the days before (1d to 14d); no value until half of them are there.",
        (),
        _value,
        form=Form.DAYS,
    ),
    Aggregate(
        USUAL_MINIMUM,
        "Median of the smallest readings in these hours on the days before (1d to 30d); "
        "no value until half of them are there.",
        (),
        _value,
        form=Form.HOURS_AND_DAYS,
    ),
    Aggregate(
        USUAL_LEVEL,
        "Median of the hourly means before the last hour, over so many hours (2h to 7d); no value until half of them "
        "are there. It stands still while the rule has an open alert at the sensor, or times one.",
        (),
        _value,
        form=Form.WHOLE_HOURS,
    ),
    Aggregate(
        UNCHANGED,
        "Seconds since the first of the newest run of equal readings; readings out of order have no part in it.",
        (),
        _value,
        "s",
        form=Form.NOTHING,
    ),
)
