"""Sets of event times as sorted, disjoint half-open intervals [start, end) in ms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FOREVER = 2**62
"""The end of what is still open."""

Interval = tuple[int, int]
Intervals = list[Interval]


def union(parts: Iterable[Interval]) -> Intervals:
    """Sorted and merged; touching intervals become one, empty ones vanish."""
    merged: Intervals = []
    for start, end in sorted(parts):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def intersection(one: Sequence[Interval], other: Sequence[Interval]) -> Intervals:
    """Both sorted and disjoint."""
    found: Intervals = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def at_least(sets: Iterable[Sequence[Interval]], count: int) -> Intervals:
    """The times that at least `count` of the sets contain."""
    edges = sorted(edge for intervals in sets for start, end in intervals for edge in ((start, 1), (end, -1)))
    found: Intervals = []
    depth, since = 0, 0
    for time, change in edges:
        before = depth
        depth += change
        if before < count <= depth:
            since = time
        elif depth < count <= before and since < time:
            found.append((since, time))
    return union(found)


def extended(intervals: Iterable[Interval], by: int) -> Intervals:
    """Each interval made longer at its end."""
    return union((start, end if end >= FOREVER else end + by) for start, end in intervals)


def containing(intervals: Iterable[Interval], time: int) -> Interval | None:
    """The interval that has `time` in it."""
    return next(((start, end) for start, end in intervals if start <= time < end), None)
