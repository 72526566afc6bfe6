"""Avro arrays of numbers to and from numpy, whole blocks at a time.

An Avro array is a series of blocks, each a count and so many items, ended by a zero count; a negative count is
followed by the block's size in bytes (Avro 1.12 specification, "Arrays"). A block of doubles is contiguous
little-endian memory and is read without a copy. Ints and longs are zigzag varints, coded here by vector operations.
Everything that is written is one sized block; everything that Avro allows is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayError(ValueError):
    """The bytes are no well-formed Avro array."""


def write_long(value: int) -> bytes:
    """One zigzag varint."""
    z = (value << 1) ^ (value >> 63)
    out = bytearray()
    while z > 0x7F:
        out.append((z & 0x7F) | 0x80)
        z >>= 7
    out.append(z)
    return bytes(out)


def read_long(data: memoryview, at: int) -> tuple[int, int]:
    """One zigzag varint at `at`: the value and the place behind it. Raises `ArrayError`."""
    z = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ArrayError(f"varint at byte {at} is cut off or too long")
        byte = data[at]
        at += 1
        z |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (z >> 1) ^ -(z & 1), at
        shift += 7


def write_string(text: str) -> bytes:
    raw = text.encode()
    return write_long(len(raw)) + raw


def read_string(data: memoryview, at: int) -> tuple[str, int]:
    size, at = read_long(data, at)
    if size < 0 or at + size > len(data):
        raise ArrayError(f"string at byte {at} is cut off")
    try:
        return str(data[at : at + size], "utf-8"), at + size
    except UnicodeDecodeError as error:
        raise ArrayError(f"string at byte {at} is not UTF-8") from error


def write_strings(texts: list[str]) -> bytes:
    return _block(len(texts), b"".join(map(write_string, texts)))


def read_strings(data: memoryview, at: int) -> tuple[list[str], int]:
    texts: list[str] = []
    while True:
        count, _, at = _block_head(data, at)
        if count == 0:
            return texts, at
        raw = bytes(data)
        for _ in range(count):
            # ids are short: their length is one byte, which saves two calls an id
            double = raw[at] if at < len(raw) else 1
            end = at + 1 + (double >> 1)
            if double & 0x81 or end > len(raw):
                text, at = read_string(data, at)
                texts.append(text)
                continue
            try:
                texts.append(raw[at + 1 : end].decode())
            except UnicodeDecodeError as error:
                raise ArrayError(f"string at byte {at} is not UTF-8") from error
            at = end


def write_doubles(values: NDArray[np.float64]) -> bytes:
    return _block(len(values), np.ascontiguousarray(values, dtype="<f8").tobytes())


def read_doubles(data: memoryview, at: int) -> tuple[NDArray[np.float64], int]:
    """The doubles as a read-only view where they stand in one block."""
    return _read_fixed(data, at, np.dtype("<f8"))


def write_booleans(values: NDArray[np.bool_]) -> bytes:
    return _block(len(values), np.ascontiguousarray(values, dtype=np.uint8).tobytes())


def read_booleans(data: memoryview, at: int) -> tuple[NDArray[np.bool_], int]:
    raw, at = _read_fixed(data, at, np.dtype(np.uint8))
    return raw.astype(np.bool_), at


def write_longs(values: NDArray[np.integer[Any]]) -> bytes:
    return _block(len(values), encode_varints(values))


def read_longs(data: memoryview, at: int) -> tuple[NDArray[np.int64], int]:
    parts: list[NDArray[np.int64]] = []
    while True:
        count, size, at = _block_head(data, at)
        if count == 0:
            break
        if size < 0:
            size = _varints_size(data, at, count)
        if at + size > len(data):
            raise ArrayError(f"array at byte {at} is cut off")
        parts.append(decode_varints(np.frombuffer(data, np.uint8, size, at), count))
        at += size
    if len(parts) == 1:
        return parts[0], at
    return np.concatenate(parts) if parts else np.empty(0, np.int64), at


def encode_varints(values: NDArray[np.integer[Any]]) -> bytes:
    """Zigzag varints of all values, one behind the other."""
    if len(values) == 0:
        return b""
    signed = values.astype(np.int64)
    z = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    top = int(z.max())
    if top < 0x80:
        return z.astype(np.uint8).tobytes()
    width = (top.bit_length() + 6) // 7
    groups = np.empty((len(z), width), np.uint8)
    size = np.ones(len(z), np.int64)
    for j in range(width):
        rest = z >> np.uint64(7 * j)
        groups[:, j] = (rest & np.uint64(0x7F)).astype(np.uint8)
        if j:
            size += rest > 0
    column = np.arange(width)
    groups[column < (size - 1)[:, None]] |= 0x80
    if int(size.min()) == width:
        return groups.tobytes()
    return groups[column < size[:, None]].tobytes()


def decode_varints(raw: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """`count` zigzag varints that fill `raw` exactly. Raises `ArrayError`."""
    if len(raw) == count:  # each is one byte
        if count and int(raw.max()) > 0x7F:
            raise ArrayError("varints do not fill their block")
        z = raw.astype(np.uint64)
    else:
        ends = np.flatnonzero(raw < 0x80)
        if len(ends) != count or ends[-1] != len(raw) - 1:
            raise ArrayError("varints do not fill their block")
        starts = np.empty_like(ends)
        starts[0] = 0
        starts[1:] = ends[:-1] + 1
        size = ends - starts + 1
        width = int(size.max())
        if width > 10:
            raise ArrayError("a varint is longer than 10 bytes")
        z = np.zeros(count, np.uint64)
        same = int(size.min()) == width
        for j in range(width):
            part = (raw[np.minimum(starts + j, ends)] & 0x7F).astype(np.uint64) << np.uint64(7 * j)
            z |= part if same else np.where(j < size, part, np.uint64(0))
    signed = z.view(np.int64)
    result: NDArray[np.int64] = ((z >> np.uint64(1)).view(np.int64)) ^ -(signed & 1)
    return result


def _block(count: int, items: bytes) -> bytes:
    if count == 0:
        return b"\x00"
    return b"".join((write_long(-count), write_long(len(items)), items, b"\x00"))


def _block_head(data: memoryview, at: int) -> tuple[int, int, int]:
    """Count, size in bytes (−1 if not said) and the place of the first item."""
    count, at = read_long(data, at)
    if count >= 0:
        size = -1
    else:
        count = -count
        size, at = read_long(data, at)
        if size < 0:
            raise ArrayError(f"block size at byte {at} is negative")
    if count > len(data):  # each item takes at least a byte
        raise ArrayError(f"array at byte {at} is cut off")
    return count, size, at


def _read_fixed(data: memoryview, at: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    parts: list[NDArray[Any]] = []
    while True:
        count, _, at = _block_head(data, at)
        if count == 0:
            break
        size = count * dtype.itemsize
        if at + size > len(data):
            raise ArrayError(f"array at byte {at} is cut off")
        parts.append(np.frombuffer(data, dtype, count, at))
        at += size
    if len(parts) == 1:
        return parts[0], at
    return np.concatenate(parts) if parts else np.empty(0, dtype), at


def _varints_size(data: memoryview, at: int, count: int) -> int:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8, len(data) - at, at) < 0x80)
    if len(ends) < count:
        raise ArrayError(f"array at byte {at} is cut off")
    return int(ends[count - 1]) + 1
