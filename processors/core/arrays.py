"""Small array helpers that the windows share. Groups are runs of neighbouring rows; `starts` are their first rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Slots = NDArray[np.intp]

FAR_PAST = -(10**15)  # ms; before every time that can be observed, and small enough that bucket numbers do not overflow
FAR_FUTURE = 10**15


def group_lengths(starts: Slots, total: int) -> Slots:
    """Number of rows of each group."""
    return np.diff(starts, append=total)


def ragged_ranges(firsts: Ints, lengths: Ints) -> tuple[Slots, Ints]:
    """The numbers `first, first + 1, …` of each entry one after another, and the entry that each belongs to."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    return owner, firsts[owner] + within


def running_sum(values: Ints, starts: Slots, group: Slots) -> Ints:
    """Cumulative sum that starts anew in each group. Exact modulo 2^64."""
    total = np.cumsum(values)
    before = total[starts] - values[starts]
    return total - before[group]


def running_minimum(values: Ints, group: Slots) -> Ints:
    """Cumulative minimum that starts anew in each group.

    Each group is moved below the one before it, so that one pass over all rows starts anew by itself.
    """
    low, high = int(values.min()), int(values.max())
    step = high - low + 1
    if step * (int(group[-1]) + 1) < 2**62:
        moved = (values - low) - group * step
        return np.minimum.accumulate(moved) + group * step + low
    result = values.copy()
    for start, end in zip(*_bounds(group), strict=True):
        np.minimum.accumulate(values[start:end], out=result[start:end])
    return result


def running_last(present: Bools, starts: Slots, group: Slots) -> Slots:
    """Row of the newest present value up to each row within its group, or -1."""
    rows = np.maximum.accumulate(np.where(present, np.arange(len(present)), -1))
    return np.where(rows >= starts[group], rows, -1)


def _bounds(group: Slots) -> tuple[NDArray[Any], NDArray[Any]]:
    edges = np.flatnonzero(np.diff(group)) + 1
    return np.concatenate(([0], edges)), np.concatenate((edges, [len(group)]))
