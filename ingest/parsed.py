"""What parsing a payload gives: columns that are not yet checked, runs that are typed, and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.reasons import Reason

MISSING = msgspec.UNSET
"""Stands in a column where the reading does not have that key (`None` stands for JSON null)."""

NO_ITEM = -1
"""The item of a fault that concerns the payload as a whole."""


@dataclass(slots=True)
class Fault:
    """An item, or some readings of it, that cannot be accepted."""

    item: int
    sensor_id: str
    reason: Reason
    detail: str
    readings: int = 1


@dataclass(slots=True)
class Typed:
    """Readings with the right types: n rows, in the order of the payload.

    `sensor_ids` are any text (not yet looked up), `observed_at` is in ms UTC, `values` has every field of the kind
    with NaN where it was not measured, `items` names the item that each row came from.
    """

    sensor_ids: list[str]
    observed_at: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    items: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sensor_ids)


@dataclass(slots=True)
class Parsed:
    """The items of one payload.

    `columns` holds the single readings as raw JSON values, a sequence each for sensor_id, observed_at and every field
    of the kind in its order; `column_items` their item numbers (None: reading k is item k). `runs` are runs of samples.
    `original(i)` gives the exact bytes of item i as they were received (after decompression).
    """

    form: str
    items: int
    columns: Sequence[Sequence[Any]]
    original: Callable[[int], bytes]
    column_items: Sequence[int] | None = None
    runs: list[Typed] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unknown_fields: bool = False


class UnreadableError(ValueError):
    """The payload as a whole cannot be read; `reason` says why."""

    def __init__(self, detail: str, reason: Reason = Reason.UNREADABLE) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
