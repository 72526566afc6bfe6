"""Vectorised Avro arrays against fastavro, which is the reference here."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro_arrays as arrays

LONGS = fastavro.parse_schema({"type": "array", "items": "long"})
DOUBLES = fastavro.parse_schema({"type": "array", "items": "double"})
int64 = st.integers(-(2**63), 2**63 - 1)


def by_fastavro(schema: object, data: bytes) -> list[object]:
    return fastavro.schemaless_reader(io.BytesIO(data), schema, None)  # type: ignore[return-value, arg-type]


@given(st.lists(st.one_of(st.integers(-70, 70), st.integers(-(2**40), 2**40), int64)))
def test_longs_are_what_fastavro_reads_and_reads_back(values: list[int]) -> None:
    data = arrays.write_longs(np.array(values, np.int64))
    assert by_fastavro(LONGS, data) == values
    back, end = arrays.read_longs(memoryview(data), 0)
    assert back.tolist() == values
    assert end == len(data)


@given(st.lists(int64), st.lists(int64))
def test_longs_in_several_blocks_without_a_size_are_read(first: list[int], second: list[int]) -> None:
    out = io.BytesIO()
    for block in (first, second):
        if block:
            out.write(arrays.write_long(len(block)))
            out.write(arrays.encode_varints(np.array(block, np.int64)))
    out.write(b"\x00")
    back, end = arrays.read_longs(memoryview(out.getvalue()), 0)
    assert back.tolist() == first + second
    assert end == len(out.getvalue())


@given(st.lists(st.floats(allow_nan=False)))
def test_doubles_are_what_fastavro_reads_and_reads_back(values: list[float]) -> None:
    data = arrays.write_doubles(np.array(values))
    assert by_fastavro(DOUBLES, data) == values
    back, end = arrays.read_doubles(memoryview(data), 0)
    assert back.tolist() == values
    assert end == len(data)


@given(st.lists(st.text()))
def test_strings_round_trip(texts: list[str]) -> None:
    data = arrays.write_strings(texts)
    assert arrays.read_strings(memoryview(data), 0) == (texts, len(data))


@given(st.lists(int64, min_size=1), st.data())
def test_a_cut_array_is_an_error(values: list[int], data: st.DataObject) -> None:
    whole = arrays.write_longs(np.array(values, np.int64))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(arrays.ArrayError):
        arrays.read_longs(memoryview(cut), 0)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_array_or_an_error(data: bytes) -> None:
    for read in (arrays.read_longs, arrays.read_doubles, arrays.read_booleans, arrays.read_strings):
        try:
            read(memoryview(data), 0)
        except arrays.ArrayError:
            continue
