"""A record of a readings topic with its place in the log, whatever it was read from: Kafka, ClickHouse or a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Batch


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A batch at `offset` of `partition` of `readings.<kind>`.

    `log_time` is its timestamp in the log (ms). `control` is the text of a control record (its batch is empty), empty
    for readings. `index` gives each reading's index in the record as it stood in the log, where some of its readings
    are missing here; None: all are here.
    """

    kind: str
    partition: int
    offset: int
    log_time: int
    batch: Batch
    control: str = ""
    index: NDArray[np.int64] | None = None
