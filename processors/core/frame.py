"""The rows that rules are evaluated at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.core.arrays import Floats, Ints, Slots
from processors.core.expression.evaluate import Value
from processors.core.rule import Rule
from processors.core.sensors import Sensors, limits_of
from processors.core.windows.hours import Night
from processors.core.windows.keys import WindowKey
from processors.core.windows.series import WindowValues


class Rows:
    """Readings that have just been taken in: their row in the batch, slot, and the slot's newest time by then.

    It is a `Frame`: a field is the reading's own value, a window ends at the newest time.
    """

    def __init__(
        self, rows: Slots, slots: Slots, at: Ints, values: Mapping[str, Floats], windows: WindowValues, sensors: Sensors
    ) -> None:
        self.rows = rows
        self.slots = slots
        self.at = at
        self._values = values
        self._windows = windows
        self._sensors = sensors
        self._chosen: Slots | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Slots) -> Rows:
        """These rows of this frame."""
        part = Rows(self.rows[chosen], self.slots[chosen], self.at[chosen], self._values, self._windows, self._sensors)
        part._chosen = chosen if self._chosen is None else self._chosen[chosen]
        return part

    def field(self, name: str) -> Floats:
        return self._values[name][self.rows]

    def attribute(self, name: str) -> Floats:
        return self._sensors.attribute(name)[self.slots]

    def period(self) -> Floats:
        return self._sensors.periods_ms()[self.slots] / 1000.0

    def window(self, key: WindowKey) -> Floats:
        values = self._windows[key]
        return values if self._chosen is None else values[self._chosen]

    def night(self, hours: str) -> Night:
        """The night of these hours that each row is in."""
        night = self._windows.nights[hours]
        return night if self._chosen is None else Night(night.numbers[self._chosen], night.complete[self._chosen])

    def limits(self, rule: Rule) -> dict[str, Value]:
        """The limit of each threshold of a rule at each row."""
        return {
            threshold.column: np.float64(threshold.constant)
            if threshold.constant is not None
            else self._sensors.limits(threshold)[self.slots]
            for threshold in limits_of(rule)
        }
