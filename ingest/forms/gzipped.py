"""gzip (RFC 1952) with a bound: a bomb is refused at the limit, without inflating the rest of it."""

from __future__ import annotations

import zlib

from ingest.parsed import UnreadableError
from schemas.reasons import Reason

MAGIC = b"\x1f\x8b"
_STEP = 1 << 20


def decompress(data: bytes, limit: int) -> bytes:
    """All members of a gzip file, at most `limit` bytes. Raises UnreadableError (unreadable, or too_large)."""
    out: list[bytes] = []
    size = 0
    rest = data
    while rest:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            try:
                part = member.decompress(rest, min(_STEP, limit - size + 1))
            except zlib.error as error:
                raise UnreadableError(f"not gzip: {error}") from error
            size += len(part)
            if size > limit:
                raise UnreadableError(f"the gzip holds more than the limit of {limit} bytes", Reason.TOO_LARGE)
            out.append(part)
            rest = member.unconsumed_tail
            if not rest and not part and not member.eof:
                raise UnreadableError("the gzip is truncated: its end is missing")
        rest = member.unused_data
    if not data:
        raise UnreadableError("the gzip is empty", Reason.EMPTY)
    return b"".join(out)
