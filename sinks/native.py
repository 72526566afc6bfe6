"""ClickHouse's column encoding (the Native format), from numpy arrays and without work per row.

`clickhouse-driver` decides null by null and looks up text by text, in Python; on readings that costs more
than all the rest of the sink (docs/decisions/0006-clickhouse-inserts.md). The bytes are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A text column as codes into its distinct texts: `values[codes[i]]` is row i."""

    values: Sequence[str]
    codes: NDArray[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return (self.values[code] for code in self.codes)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Coded:
        return Coded(self.values, self.codes[rows])


# a numpy array, a Coded, or a sequence of Python values (text, lists of text, mappings) for columns of few rows
ColumnData = NDArray[Any] | Coded | Sequence[Any]

_NUMBERS = {
    "Int8": "<i1", "Int16": "<i2", "Int32": "<i4", "Int64": "<i8",
    "UInt8": "<u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8",
    "Float32": "<f4", "Float64": "<f8", "Bool": "<u1",
}  # fmt: skip
_KEYS_AND_NEW_DICTIONARY = 1 << 9 | 1 << 10
_ENUM_MEMBER = re.compile(r"'((?:[^'\\]|\\.)*)'\s*=\s*(-?\d+)")


def encode_column(spec: str, data: ColumnData) -> list[bytes]:
    """One column's prefix and values.

    `spec` is the column's ClickHouse type. Text columns take a `Coded` or texts (`bytes` pass unchanged); numbers and
    `DateTime64` (counts of its tick) take arrays; `Nullable(Float…)` takes an array where NaN means null, other
    `Nullable` take values or None; `Array` takes lists, `Map` takes mappings. Raises `TypeError` for another type.
    """
    return [*_prefix(spec), *_values(spec, data)] if len(data) else []


def _prefix(spec: str) -> list[bytes]:
    # state prefixes of all nested columns come before the first value
    for outer in ("Array", "Nullable"):
        if spec.startswith(outer + "("):
            return _prefix(_inner(spec))
    if spec.startswith("Map("):
        key, value = _map_types(spec)
        return [*_prefix(key), *_prefix(value)]
    return [_int64(1)] if spec.startswith("LowCardinality(") else []


def _values(spec: str, data: ColumnData) -> list[bytes]:
    if dtype := _NUMBERS.get(spec):
        return [np.ascontiguousarray(data, dtype=dtype).tobytes()]
    if spec.startswith("DateTime64("):
        return [np.ascontiguousarray(data, dtype="<i8").tobytes()]
    if spec == "String":
        return [_texts(data)]
    for name, encode in _COMPOSITE.items():
        if spec.startswith(name + "("):
            return encode(spec, data)
    raise TypeError(f"no encoding for the ClickHouse type {spec}")


def _nullable(spec: str, data: ColumnData) -> list[bytes]:
    inner = _inner(spec)
    if inner.startswith("Float"):
        values = np.asarray(data, dtype=np.float64)
        nulls = np.isnan(values)
        return [nulls.tobytes(), *_values(inner, np.where(nulls, 0.0, values) if nulls.any() else values)]
    nothing: Any = "" if inner == "String" else 0
    return [
        np.fromiter((value is None for value in data), dtype=np.bool_, count=len(data)).tobytes(),
        *_values(inner, [nothing if value is None else value for value in data]),
    ]


def _low_cardinality(spec: str, data: ColumnData) -> list[bytes]:
    if _inner(spec) != "String":
        raise TypeError(f"no encoding for the ClickHouse type {spec}")
    if not len(data):
        return []
    coded = data if isinstance(data, Coded) else code(data)
    size = len(coded.values)
    width = 0 if size <= 1 << 8 else 1 if size <= 1 << 16 else 2
    keys = np.ascontiguousarray(coded.codes, dtype=("<u1", "<u2", "<u4")[width])
    head = _int64(_KEYS_AND_NEW_DICTIONARY | width) + _int64(size)
    return [head, _texts(coded.values), _int64(len(keys)), keys.tobytes()]


def _enum(spec: str, data: ColumnData) -> list[bytes]:
    dtype = "<i1" if spec.startswith("Enum8") else "<i2"
    if isinstance(data, np.ndarray):
        return [np.ascontiguousarray(data, dtype=dtype).tobytes()]
    numbers = {name: int(number) for name, number in _ENUM_MEMBER.findall(spec)}
    if isinstance(data, Coded):
        return [np.array([numbers[value] for value in data.values], dtype=dtype)[data.codes].tobytes()]
    return [np.fromiter((numbers[value] for value in data), dtype=dtype, count=len(data)).tobytes()]


def _array(spec: str, data: ColumnData) -> list[bytes]:
    flat = [item for items in data for item in items]
    return [_ends(data), *(_values(_inner(spec), flat) if flat else [])]


def _map(spec: str, data: ColumnData) -> list[bytes]:
    key, value = _map_types(spec)
    maps: Sequence[Mapping[str, str]] = data  # type: ignore[assignment]
    keys = [k for entry in maps for k in entry]
    values = [v for entry in maps for v in entry.values()]
    return [_ends(data), *(_values(key, keys) + _values(value, values) if keys else [])]


_COMPOSITE: dict[str, Callable[[str, ColumnData], list[bytes]]] = {
    "Nullable": _nullable,
    "LowCardinality": _low_cardinality,
    "Enum8": _enum,
    "Enum16": _enum,
    "Array": _array,
    "Map": _map,
}


def code(texts: Iterable[str]) -> Coded:
    """A text column as codes, in order of first appearance."""
    known: dict[str, int] = {}
    codes = [known.setdefault(text, len(known)) for text in texts]
    return Coded(list(known), np.array(codes, dtype=np.int32))


def _inner(spec: str) -> str:
    return spec[spec.index("(") + 1 : -1]


def _map_types(spec: str) -> tuple[str, str]:
    key, _, value = _inner(spec).partition(",")
    return key.strip(), value.strip()


def _ends(data: ColumnData) -> bytes:
    return np.cumsum([len(items) for items in data], dtype=np.uint64).tobytes()


def _int64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _texts(texts: Iterable[str | bytes]) -> bytes:
    parts: list[bytes] = []
    for text in texts:
        raw = text if isinstance(text, bytes) else text.encode()
        parts += (_length(len(raw)), raw)
    return b"".join(parts)


def _length(value: int) -> bytes:
    if value < 0x80:
        return _SHORT[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = [bytes((value,)) for value in range(0x80)]
