"""Random numbers that depend on nothing but (seed, channel, who, when).

A reading is drawn from its own coordinates, so the same seed gives the same readings however the play is cut into
steps and whichever sensors take part. The mixer is splitmix64 (Steele, Lea, Flood 2014).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def key_of(name: str) -> int:
    """A fixed 64-bit key of a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


class Noise:
    """The noise of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = key_of(f"seed {seed}")

    def uniform(self, channel: str, who: Keys, when: Ints | int = 0) -> Floats:
        """Uniform in [0, 1), one for each (who, when)."""
        start = np.uint64((self._seed + key_of(channel)) & _MASK)
        z = _mix(who ^ start)
        z = _mix(z + np.asarray(when, np.int64).astype(np.uint64) * np.uint64(_GOLDEN))
        return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, channel: str, who: Keys, when: Ints | int = 0) -> Floats:
        """Standard normal, by Box and Muller."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(channel, who, when)))
        return radius * np.cos(2 * np.pi * self.uniform(channel + "'", who, when))

    def smooth(self, channel: str, who: Keys, at_ms: Ints, period_s: float) -> Floats:
        """A continuous wander in [−1, 1]: random values every `period_s`, joined by cosines."""
        step = round(period_s * 1000)
        k, rest = np.divmod(at_ms, step)
        left, right = self.uniform(channel, who, k), self.uniform(channel, who, k + 1)
        weight = (1 - np.cos(np.pi * rest / step)) / 2
        return 2 * (left + (right - left) * weight) - 1


def _mix(z: Keys) -> Keys:
    z = z + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
