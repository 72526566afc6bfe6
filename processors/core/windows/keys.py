"""Which windows rules name."""

from __future__ import annotations

from typing import NamedTuple

from processors.core.arrays import Bools, Ints
from processors.core.durations import duration_text
from processors.core.local_time import DAY_MS
from processors.core.windows.quantiles import MEDIAN_Q


class Window(NamedTuple):
    """A field's window: its length in ms, or (and then 0) hours of every day; `tumbling` ones stand side by side."""

    field: str
    length_ms: int
    hours: str
    tumbling: bool

    @property
    def clock(self) -> str:
        """The name of the clock that tells its buckets."""
        if self.hours:
            return f"hours {self.hours}"
        return f"each {self.length_ms}" if self.tumbling else str(self.length_ms)


class WindowKey(NamedTuple):
    """A window function as rules name it: `aggregate(field, length)`.

    With `hours`, the window is these hours of every day (and `length_ms` 0, or how many days are looked back); with
    `tumbling` it is written each(length). `q` is which quantile.
    """

    aggregate: str
    field: str
    length_ms: int
    hours: str = ""
    tumbling: bool = False
    q: float = MEDIAN_Q

    def __str__(self) -> str:
        parts = [self.field]
        if self.hours:
            parts.append(f'hours("{self.hours}")')
        if self.length_ms:
            length = duration_text(self.length_ms)
            parts.append(f"each({length})" if self.tumbling else length)
        if self.aggregate == "quantile":
            parts.append(str(self.q))
        return f"{self.aggregate}({', '.join(parts)})"

    @property
    def window(self) -> Window:
        return Window(self.field, self.length_ms, self.hours, self.tumbling)

    @property
    def days(self) -> int:
        """Days that a baseline looks back."""
        return self.length_ms // DAY_MS


class Steps(NamedTuple):
    """A field's values as integer steps (0 where missing), and which are there."""

    steps: Ints
    present: Bools
