"""Contiguous offset ranges of one topic partition: collected, cut, turned into inserts with a token each.

The intent to insert a range is committed to Kafka (as the metadata of the position) before the first insert. Whoever
owns the partition after a crash cuts exactly that range again, so its inserts carry the same tokens and ClickHouse
stores each block once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sinks.feeds import Feed
from sinks.rows.place import Columns, Log, Placed, by_month

_INTENT = "riskstream-sink/1"


@dataclass(frozen=True, slots=True)
class Insert:
    """One block for one ClickHouse partition of one table."""

    table: str
    columns: Columns
    token: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be decoded, and why."""

    offset: int
    log_time: int
    data: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Range:
    """A cut range, ready to insert: offsets `first` to `last`, both included."""

    first: int
    last: int
    inserts: Sequence[Insert]
    unreadable: Sequence[Unreadable]


@dataclass(slots=True)
class Collector:
    """Collects the records of one topic partition, in log order, until they are cut.

    `position` is the offset behind all that is stored; None: nothing was stored yet. `replay_to` is the last offset of
    a range that a former owner meant to insert: the first range is cut exactly there.
    """

    feed: Feed
    log: Log
    position: int | None = None
    replay_to: int | None = None
    rows: int = 0
    size: int = 0
    last: int | None = None
    since: float = 0.0
    _records: list[Placed[Any]] = field(default_factory=list)
    _unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, record: Placed[Any] | Unreadable, size: int, now: float) -> None:
        """Take the next record; `size` is in bytes, `now` in seconds of any clock that does not go back."""
        if self.last is None:
            self.since = now
        if self.position is None:
            self.position = record.offset
        self.last = record.offset
        self.size += size
        if isinstance(record, Unreadable):
            self._unreadable.append(record)
        else:
            self._records.append(record)
            self.rows += self.feed.count(record.value)

    def replaying(self) -> bool:
        """Does an intended range of a former owner still wait for records?"""
        return self.replay_to is not None and (self.last is None or self.last < self.replay_to)

    def due(self, now: float, max_age_s: float, max_rows: int, max_size: int) -> bool:
        """Is it time to cut? Never before an intended range is whole."""
        if self.last is None or self.replaying():
            return False
        return self.rows >= max_rows or self.size >= max_size or now - self.since >= max_age_s

    def cut(self) -> Range | None:
        """Cut from the position to the end of an intended range, else to the last offset; None: nothing collected."""
        if self.last is None or self.position is None:
            return None
        last = self.last if self.replay_to is None else min(self.replay_to, self.last)
        taken = [record for record in self._records if record.offset <= last]
        unreadable = [record for record in self._unreadable if record.offset <= last]
        cut = Range(self.position, last, inserts(self.feed, self.log, self.position, last, taken), unreadable)
        self._records = [record for record in self._records if record.offset > last]
        self._unreadable = [record for record in self._unreadable if record.offset > last]
        self.rows = sum(self.feed.count(record.value) for record in self._records)
        self.position, self.replay_to = last + 1, None
        if last == self.last:
            self.last, self.size = None, 0
        return cut


def inserts(feed: Feed, log: Log, first: int, last: int, records: Sequence[Placed[Any]]) -> list[Insert]:
    """The blocks of a range; the same range of the same log gives the same blocks and tokens."""
    if not records:
        return []
    return [
        Insert(rows.table, columns, f"{rows.table}:{log.generation}:{log.partition}:{first}-{last}:{month}")
        for rows in feed.tables(log, records)
        for month, columns in by_month(rows)
    ]


def encode_intent(generation: str, last: int) -> str:
    """The commit metadata that says: offsets up to `last` of that generation of the topic are being inserted."""
    return f"{_INTENT} {generation} {last}"


def decode_intent(metadata: str | None, generation: str) -> int | None:
    """The last offset of an intended range; None if there is none, or it was of another generation."""
    parts = (metadata or "").split(" ")
    if len(parts) != 3 or parts[:2] != [_INTENT, generation] or not parts[2].isdecimal():
        return None
    return int(parts[2])
