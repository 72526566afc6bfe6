"""Which rows are still good, and the faults of the others: each row has at most one, the first that was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.parsed import Fault
from schemas.reasons import Reason


class Verdicts:
    """Of n rows; several rows of one item that fail for one reason (samples of a run) make one fault."""

    def __init__(self, items: NDArray[np.int64], sensors: Sequence[Any]) -> None:
        self.faults: list[Fault] = []
        self._items = items
        self._sensors = sensors
        self._good: NDArray[np.bool_] | None = None

    def reject(self, rows: NDArray[np.intp] | Sequence[int], reason: Reason, describe: Callable[[int], str]) -> None:
        """Rows that are already at fault keep their first one."""
        if self._good is None:
            self._good = np.ones(len(self._items), np.bool_)
        rows = np.asarray(rows, np.intp)
        rows = rows[self._good[rows]]
        self._good[rows] = False
        items, first, counts = np.unique(self._items[rows], return_index=True, return_counts=True)
        for item, at, count in zip(items.tolist(), first.tolist(), counts.tolist(), strict=True):
            row = int(rows[at])
            sensor = self._sensors[row]
            detail = describe(row) + (f" (and {count - 1} more of its samples)" if count > 1 else "")
            self.faults.append(Fault(item, sensor if isinstance(sensor, str) else "", reason, detail, count))

    def good(self) -> NDArray[np.intp] | None:
        """The rows without a fault; None when all are good."""
        return None if self._good is None else np.flatnonzero(self._good)
