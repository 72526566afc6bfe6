"""What to write for a checkpoint, and what a partition's checkpoints come to. Pure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.checkpoint.chunks import decode_chunk, encode_chunk
from processors.checkpoint.manifest import ChunkName, Manifest, ManifestError, checksum, chunk_key, manifest_key
from processors.core.engine import State
from schemas.records import record_schema
from schemas.wire import DecodeError, RecordCodec, SchemaStore

log = logging.getLogger(__name__)

_SUBJECT = "checkpoints-value"
_CODEC = RecordCodec(SchemaStore({_SUBJECT: record_schema("checkpoint")}), _SUBJECT)

# a record of the topic: key and value; no value removes the key
Entry = tuple[str, bytes | None]


def encode_part(part: str, term: int, number: int, body: bytes) -> bytes:
    """A claim, chunk or manifest in the wire format."""
    return _CODEC.encode({"part": part, "term": term, "number": number, "body": body})


@dataclass(slots=True)
class Writer:
    """Plans the checkpoints of one partition within one term.

    `stale` are the keys of earlier terms; they are removed once a manifest of this term stands. `last` is the offset of
    the last record that is known to be of this term or before it: one behind it is another worker's.
    """

    kind: str
    partition: int
    term: int
    stale: set[str] = field(default_factory=set)
    last: int = -1
    _number: int = 0
    _chunks: dict[int, ChunkName] = field(default_factory=dict)

    def plan(self, states: Iterable[State], position: Mapping[str, Any]) -> tuple[list[Entry], Entry]:
        """The changed chunks, and the manifest to write when they are delivered.

        `states` are the changed chunks (all of them in the first checkpoint of a term); `position` has the offset,
        versions, log time and mode of the manifest.
        """
        self._number += 1
        entries: list[Entry] = []
        for state in states:
            body = encode_chunk(state)
            before = self._chunks.get(state.first)
            key = chunk_key(self.term, state.first, before.key if before else None)
            name = ChunkName(key, state.first, checksum(body))
            self._chunks[state.first] = name
            entries.append((name.key, encode_part("chunk", self.term, self._number, body)))
        manifest = Manifest(
            self.kind, self.partition, self.term, self._number,
            chunks=tuple(self._chunks[first] for first in sorted(self._chunks)), **position,
        )  # fmt: skip
        value = encode_part("manifest", self.term, self._number, manifest.encode())
        return entries, (manifest_key(self.term, self._number), value)

    def leftovers(self) -> list[Entry]:
        """Removals to write behind a delivered manifest."""
        entries: list[Entry] = [(key, None) for key in sorted(self.stale)]
        self.stale.clear()
        return entries


@dataclass(slots=True)
class Recovered:
    """A complete checkpoint: its manifest and its states in ascending order of slots."""

    manifest: Manifest
    states: list[State]


class Reader:
    """Takes the records of a checkpoint partition in order and finds the newest complete checkpoint."""

    def __init__(self, kind: str, partition: int) -> None:
        self._kind = kind
        self._partition = partition
        self._chunks: dict[str, bytes] = {}
        self._manifests: dict[str, Manifest] = {}

    def feed(self, key: str, value: bytes | None) -> None:
        """Take one record. What cannot be decoded is passed over: an older checkpoint may still be complete."""
        if value is None:
            self._chunks.pop(key, None)
            self._manifests.pop(key, None)
            return
        try:
            record = _CODEC.decode(value)
            if record["part"] == "chunk":
                self._chunks[key] = record["body"]
            elif record["part"] == "manifest":
                self._manifests[key] = Manifest.decode(record["body"])
        except (DecodeError, ManifestError) as error:
            log.error("checkpoint of %s partition %d: %s is passed over: %s", self._kind, self._partition, key, error)

    def keys(self) -> set[str]:
        """Keys that stand in the partition."""
        return set(self._chunks) | set(self._manifests)

    def newest(self) -> Recovered | None:
        """The complete checkpoint that has the most of the log in it; None if there is none."""
        for manifest in sorted(
            self._manifests.values(), key=lambda one: (one.offset, one.term, one.number), reverse=True
        ):
            if all(
                chunk.key in self._chunks and checksum(self._chunks[chunk.key]) == chunk.checksum
                for chunk in manifest.chunks
            ):
                states = [decode_chunk(self._chunks[chunk.key]) for chunk in manifest.chunks]
                return Recovered(manifest, states)
            log.warning(
                "checkpoint of %s partition %d at offset %d is not complete",
                self._kind,
                self._partition,
                manifest.offset,
            )
        return None
