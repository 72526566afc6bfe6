"""Steps of a field's resolution, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Scale:
    """Values are counted as integers of `resolution`.

    Where 1/resolution is a whole number, steps are divided by it, so that a decimal comes back as the nearest float
    of that decimal (3 steps of 0.1 are 0.3, not 0.30000000000000004).
    """

    resolution: float

    @property
    def steps_per_unit(self) -> float:
        """1/resolution if that is a whole number, else 0."""
        whole = round(1 / self.resolution)
        return float(whole) if whole >= 1 and abs(whole * self.resolution - 1) < 1e-12 else 0.0

    def steps(self, values: Floats) -> tuple[Ints, Bools]:
        """Nearest steps (0 where NaN), and which values are there."""
        scaled = values * self.steps_per_unit if self.steps_per_unit else values / self.resolution
        present = scaled == scaled
        if not present.all():
            scaled = np.where(present, scaled, 0.0)
        return np.rint(scaled).astype(np.int64), present

    def units(self, steps: Ints | Floats, share: Ints | float = 1) -> Floats:
        """`steps / share` in the field's unit; NaN where `share` is 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.steps_per_unit:
                result = np.asarray(steps, np.float64) / (np.asarray(share, np.float64) * self.steps_per_unit)
            else:
                result = np.asarray(steps, np.float64) / np.asarray(share, np.float64) * self.resolution
        return np.where(np.asarray(share) == 0, np.nan, result)
