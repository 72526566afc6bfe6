"""The column encoding, byte for byte; that ClickHouse reads it so is tests/integration/test_sink.py."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from sinks.native import Coded, code, encode_column


def encoded(spec: str, data: Any) -> bytes:
    return b"".join(encode_column(spec, data))


def int64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


@pytest.mark.parametrize(
    ("spec", "data", "expected"),
    [
        ("UInt8", np.array([1, 255]), b"\x01\xff"),
        ("Bool", np.array([True, False]), b"\x01\x00"),
        ("DateTime64(3, 'UTC')", np.array([1_700_000_000_000]), int64(1_700_000_000_000)),
        ("Float64", np.array([1.5, -0.0]), struct.pack("<2d", 1.5, -0.0)),
        ("Nullable(Float64)", np.array([1.5, np.nan]), b"\x00\x01" + struct.pack("<2d", 1.5, 0.0)),
        ("Nullable(DateTime64(3, 'UTC'))", [None, 5], b"\x01\x00" + int64(0, 5)),
        ("Nullable(String)", ["a", None], b"\x00\x01" + b"\x01a\x00"),
        ("String", ["", "é", b"\xff"], b"\x00\x02\xc3\xa9\x01\xff"),
        ("String", ["x" * 200], b"\xc8\x01" + b"x" * 200),
        ("String", Coded(["b", "a"], np.array([1, 0, 1])), b"\x01a\x01b\x01a"),
        ("Enum8('live' = 0, 'it\\'s' = -3)", ["it\\'s", "live"], b"\xfd\x00"),
        ("Enum8('live' = 0, 'history' = 1)", Coded(["history"], np.array([0, 0])), b"\x01\x01"),
        ("Enum16('a' = 300)", np.array([300]), b"\x2c\x01"),
        ("Array(String)", [["a", "b"], [], ["c"]], int64(2, 2, 3) + b"\x01a\x01b\x01c"),
        ("Map(String, String)", [{"k": "v"}, {}], int64(1, 1) + b"\x01k\x01v"),
        ("LowCardinality(String)", ["a", "b", "a"], int64(1, 0x600, 2) + b"\x01a\x01b" + int64(3) + b"\x00\x01\x00"),
        ("Array(LowCardinality(String))", [["a"], ["a"]], int64(1) + int64(1, 2) + int64(0x600, 1) + b"\x01a" + int64(2) + b"\x00\x00"),
        ("Array(LowCardinality(String))", [[], []], int64(1) + int64(0, 0)),
        ("LowCardinality(String)", [], b""),
    ],
)  # fmt: skip
def test_columns(spec: str, data: Any, expected: bytes) -> None:
    assert encoded(spec, data) == expected


@pytest.mark.parametrize(("size", "width"), [(256, 1), (257, 2), (65_536, 2), (65_537, 4)])
def test_keys_are_as_wide_as_the_dictionary_needs(size: int, width: int) -> None:
    data = Coded([""] * size, np.array([0, size - 1]))
    kind = int64(0x600 | {1: 0, 2: 1, 4: 2}[width])
    assert encoded("LowCardinality(String)", data) == (
        int64(1) + kind + int64(size) + bytes(size) + int64(2) + bytes(width) + (size - 1).to_bytes(width, "little")
    )


@pytest.mark.parametrize("spec", ["UUID", "LowCardinality(Nullable(String))", "Array(Date)"])
def test_an_unknown_type_is_named(spec: str) -> None:
    with pytest.raises(TypeError, match="no encoding for the ClickHouse type"):
        encoded(spec, [["x"]])


def test_an_unknown_member_of_an_enum_is_refused() -> None:
    with pytest.raises(KeyError):
        encoded("Enum8('a' = 1)", ["b"])


def test_code_keeps_order_and_rows() -> None:
    coded = code(["b", "a", "b"])
    assert (list(coded.values), coded.codes.tolist(), list(coded), len(coded)) == (
        ["b", "a"],
        [0, 1, 0],
        ["b", "a", "b"],
        3,
    )
    assert list(coded[np.array([1, 2])]) == ["a", "b"]
