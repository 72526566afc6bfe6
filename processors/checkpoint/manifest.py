"""What a checkpoint consists of."""

from __future__ import annotations

import zlib

import msgspec


class ManifestError(ValueError):
    """The bytes are no manifest of this version."""


class ChunkName(msgspec.Struct, frozen=True):
    """A chunk by its key in the topic; `checksum` is the CRC-32 of its body."""

    key: str
    first: int
    checksum: int


class Manifest(msgspec.Struct, frozen=True):
    """A complete checkpoint of one partition.

    `offset` is the last record of `readings.<kind>` that is in the state. `registry`, `rules` and
    `modes` are the versions in force behind it, `log_time` the running maximum of the records' times (ms).
    """

    kind: str
    partition: int
    term: int
    number: int
    offset: int
    registry: int
    rules: int
    modes: int
    log_time: int
    chunks: tuple[ChunkName, ...]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Raises `ManifestError`."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise ManifestError(f"not a manifest: {error}") from error


def checksum(body: bytes) -> int:
    """CRC-32 of a chunk's body."""
    return zlib.crc32(body)


def chunk_key(term: int, first: int, before: str | None) -> str:
    """Two keys of a chunk take turns, so that what the newest manifest names stands until the next one does."""
    turn = 1 if before is not None and before.endswith("/0") else 0
    return f"chunk/{term}/{first}/{turn}"


def manifest_key(term: int, number: int) -> str:
    """Two keys take turns: if a chunk of the newest checkpoint is damaged, the one before it may still be whole."""
    return f"manifest/{term}/{number % 2}"


CLAIM_KEY = "claim"
