"""Checkpoints: what is written, and what is found again whatever of it has arrived.

term 5:   chunk A1  chunk B1  manifest 1  chunk A2  manifest 2 …
crash:                     ^ nothing   ^ 1       ^ 1          ^ 2
"""

from typing import Any

import numpy as np
import pytest

from processors.checkpoint.chunks import ChunkError, decode_chunk, encode_chunk
from processors.checkpoint.plan import Entry, Reader, Writer
from processors.core.engine import State
from processors.core.levels import Timer, Track


def state(first: int, value: float = 1.0, slots: int = 2) -> State:
    return State(
        first=first,
        keys=[("", f"s{first + n}") for n in range(slots)],
        columns={"sum": np.full((slots, 3), value), "count": np.arange(slots, dtype=np.int32)},
        tracks={"r": {first: Track(2, 1000, {1: Timer(5, 2), 2: Timer(6, 1)}, Timer(7, 3), Timer())}},
    )


def position(offset: int) -> dict[str, Any]:
    return {"offset": offset, "registry": 3, "rules": 0, "modes": 0, "log_time": 99}


def assert_same(one: State, other: State) -> None:
    assert (one.first, one.keys, one.tracks) == (other.first, other.keys, other.tracks)
    assert one.columns.keys() == other.columns.keys()
    for name, column in one.columns.items():
        assert column.dtype == other.columns[name].dtype
        np.testing.assert_array_equal(column, other.columns[name])


def read(entries: list[Entry]) -> Reader:
    reader = Reader("k", 0)
    for key, value in entries:
        reader.feed(key, value)
    return reader


def test_a_chunk_round_trips() -> None:
    assert_same(decode_chunk(encode_chunk(state(4))), state(4))


@pytest.mark.parametrize("data", [b"", b"\x81\xa1x\x01", b"\xff\xff", encode_chunk(state(0))[:-3]])
def test_what_is_no_chunk_is_an_error(data: bytes) -> None:
    with pytest.raises(ChunkError):
        decode_chunk(data)


def test_every_prefix_of_what_is_written_gives_the_newest_complete_checkpoint() -> None:
    writer = Writer("k", 0, term=5)
    written: list[Entry] = []
    complete: dict[int, tuple[int, list[State]]] = {}
    steps = [
        (10, [state(0, 1.0), state(2, 1.0)], [state(0, 1.0), state(2, 1.0)]),
        (20, [state(0, 2.0)], [state(0, 2.0), state(2, 1.0)]),
        (30, [state(2, 3.0), state(4, 3.0)], [state(0, 2.0), state(2, 3.0), state(4, 3.0)]),
        (40, [state(0, 4.0), state(2, 4.0), state(4, 4.0)], [state(0, 4.0), state(2, 4.0), state(4, 4.0)]),
    ]
    for offset, changed, whole in steps:
        chunks, manifest = writer.plan(changed, position(offset))
        written += [*chunks, manifest]
        complete[len(written)] = (offset, whole)
    for length in range(len(written) + 1):
        found = read(written[:length]).newest()
        best = max((n for n in complete if n <= length), default=None)
        if best is None:
            assert found is None
            continue
        offset, whole = complete[best]
        assert found is not None
        assert (found.manifest.offset, found.manifest.registry, found.manifest.log_time) == (offset, 3, 99)
        for one, other in zip(found.states, whole, strict=True):
            assert_same(one, other)


def test_compaction_changes_nothing() -> None:
    writer = Writer("k", 0, term=5)
    written: list[Entry] = []
    for number in range(5):
        chunks, manifest = writer.plan([state(0, number), state(2, number)], position(number))
        written += [*chunks, manifest]
    compacted = list(dict(written).items())
    found, same = read(written).newest(), read(compacted).newest()
    assert found is not None
    assert same is not None
    assert found.manifest == same.manifest


def test_a_zombie_of_an_earlier_term_harms_nothing() -> None:
    old, new = Writer("k", 0, term=5), Writer("k", 0, term=9)
    first, first_manifest = old.plan([state(0, 1.0)], position(10))
    late, late_manifest = old.plan([state(0, 9.0)], position(15))
    chunks, manifest = new.plan([state(0, 2.0)], position(20))
    for order in (
        [*first, first_manifest, *chunks, manifest, *late, late_manifest],
        [*first, first_manifest, *late, *chunks, manifest, late_manifest],
        [*first, first_manifest, *chunks, *late, late_manifest, manifest],
    ):
        found = read(order).newest()
        assert found is not None
        assert found.manifest.offset == 20
        assert_same(found.states[0], state(0, 2.0))


def test_keys_of_earlier_terms_are_removed_behind_the_first_manifest() -> None:
    old = Writer("k", 0, term=5)
    chunks, manifest = old.plan([state(0)], position(10))
    reader = read([*chunks, manifest])
    new = Writer("k", 0, term=9, stale=reader.keys())
    more, newer = new.plan([state(0)], position(20))
    removals = new.leftovers()
    assert {key for key, _ in removals} == {"chunk/5/0/0", "manifest/5/1"}
    assert all(value is None for _, value in removals)
    assert new.leftovers() == []
    assert read([*chunks, manifest, *more, newer, *removals]).keys() == {"chunk/9/0/0", "manifest/9/1"}


def test_damaged_records_are_passed_over() -> None:
    writer = Writer("k", 0, term=5)
    chunks, manifest = writer.plan([state(0)], position(10))
    damaged, second = writer.plan([state(0, 2.0)], position(20))
    key, value = damaged[0]
    assert value is not None
    for broken in (b"", value[:20], value[:-1] + bytes([value[-1] ^ 1])):
        found = read([*chunks, manifest, (key, broken), second]).newest()
        assert found is not None
        assert found.manifest.offset == 10
