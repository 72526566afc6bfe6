"""What an aggregate is: which window state it needs, and its value from that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from processors.core.arrays import Bools, Floats
from processors.core.scale import Scale
from processors.core.windows.extrema import WindowExtrema
from processors.core.windows.firsts import Oldest
from processors.core.windows.latest import Newest
from processors.core.windows.quantiles import MEDIAN_Q, Quantiles
from processors.core.windows.spreads import WindowSpread
from processors.core.windows.totals import WindowTotals
from processors.core.windows.trends import WindowLine


class Need(StrEnum):
    """Kinds of window state."""

    TOTALS = "totals"
    SPREAD = "spread"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MEANS = "means"
    OLDEST = "oldest"
    NEWEST = "newest"
    LINE = "line"


class Form(StrEnum):
    """What follows the field in a call."""

    WINDOW = "window"
    HOURS_TOO = "window or hours"
    WINDOW_AND_Q = "window, q"
    DAYS = "days"
    HOURS_AND_DAYS = "hours, days"
    WHOLE_HOURS = "whole hours"
    NOTHING = ""


@dataclass(slots=True)
class Parts:
    """The window's state at each row; a part that no aggregate has asked for raises `AttributeError` when read."""

    totals: WindowTotals
    spread: WindowSpread
    minimum: WindowExtrema
    maximum: WindowExtrema
    quantiles: Quantiles
    oldest: Oldest
    newest: Newest
    line: WindowLine
    newest_inside: Bools  # is the newest value within the window
    closed: dict[Need, Bools]  # of windows that stand side by side: has one been closed
    length_ms: int
    q: float  # of the quantile that is asked for

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.q = MEDIAN_Q
        self.closed = {}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of a field and a window: `name(field, window)`.

    `value` gives a float a row, NaN where the window says nothing. `unit` tells how the result's unit follows from
    the field's: the same, a number (`1`), or the field's a second. A function without needs keeps a state of its own.
    """

    name: str
    doc: str
    needs: tuple[Need, ...]
    value: Callable[[Parts, Scale], Floats]
    unit: str = "the field's"
    form: Form = Form.WINDOW

    @property
    def tumbles(self) -> bool:
        """Is it there for windows that stand side by side, each(10m), too?"""
        return bool(self.needs) and Need.LINE not in self.needs
