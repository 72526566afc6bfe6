"""Strokes taken one after another: the j-th stroke of every group at once.

What a window needs from single buckets (extrema, medians, first values) is kept in rings of n buckets a slot. A stroke
changes one bucket; the strokes of a group must be taken in order, those of different groups need not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.core.arrays import Ints, Slots, ragged_ranges
from processors.core.stretch import Stretch
from processors.core.windows.buckets import Strokes


@dataclass(slots=True)
class Round:
    """One stroke of each of some slots: its number in the stretch, its slot, bucket, and n of the slot."""

    strokes: Slots
    slots: Slots
    buckets: Ints
    counts: Ints
    previous: Ints  # newest bucket of the slot before this stroke


def rounds(stretch: Stretch, strokes: Strokes) -> Iterator[Round]:
    """The strokes of a stretch, in rounds."""
    buckets = strokes.bucket[strokes.first]
    previous = np.append(strokes.before[:1], buckets[:-1])
    starts = strokes.number == 0
    previous[starts] = strokes.before
    most = int(strokes.number.max()) + 1
    if most == 1:
        yield Round(np.arange(len(buckets)), stretch.heads, buckets, strokes.count, previous)
        return
    order = np.argsort(strokes.number, kind="stable")
    edges = np.searchsorted(strokes.number[order], np.arange(most + 1))
    for number in range(most):
        chosen = order[edges[number] : edges[number + 1]]
        group = strokes.owner[chosen]
        yield Round(chosen, stretch.heads[group], buckets[chosen], strokes.count[group], previous[chosen])


def clear_gap(ring: NDArray[Any], turn: Round, size: Ints, fill: Any) -> None:
    """Empty the buckets from the slot's newest to the stroke's, where the stroke opens a new one."""
    gap = turn.buckets - turn.previous
    if int(gap.max()) <= 1:
        new = np.flatnonzero(gap == 1)
        ring[turn.slots[new], turn.buckets[new] % size[new]] = fill
        return
    length = np.minimum(gap, size)
    owner, bucket = ragged_ranges(turn.buckets - length + 1, length)
    ring[turn.slots[owner], bucket % size[owner]] = fill
