"""Batches through their own codec and through fastavro as any other client would read them."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import Batch, BatchCodec, Mode, batch_schema, batch_subject, empty_batch, encode_batch
from schemas.kinds import load_kinds
from schemas.wire import DecodeError, SchemaStore, head, schema_id

KINDS = load_kinds()
KIND = KINDS["gas_pressure"]
CODEC = BatchCodec(KINDS)


def make_batch(count: int = 3, *, late: bool = False, temperature: bool = True) -> Batch:
    return Batch(
        kind="gas_pressure",
        gateway="gateway-1",
        source="mqtt",
        mode=Mode.EXERCISE,
        run_id="drill-7",
        received_at=1_790_000_000_123,
        sensor_ids=["a", "b"],
        sensor=np.arange(count, dtype=np.int32) % 2,
        observed_at=1_790_000_000_000 + np.arange(count) * 1000,
        late=np.full(count, late),
        values={
            "pressure_kpa": np.linspace(1.8, 2.2, count),
            "flow_m3h": np.full(count, np.nan),
            "temperature_c": np.where(np.arange(count) % 2 == 0, 12.5, np.nan)
            if temperature
            else np.full(count, np.nan),
        },
        registry_version=4,
    )


def assert_same(one: Batch, other: Batch) -> None:
    for name in ("kind", "gateway", "source", "mode", "run_id", "received_at", "sensor_ids", "registry_version"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("sensor", "observed_at", "late"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, column in one.values.items():
        np.testing.assert_array_equal(column, other.values[name])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("temperature", [False, True])
@pytest.mark.parametrize("count", [1, 2, 500])
def test_round_trip(count: int, late: bool, temperature: bool) -> None:
    batch = make_batch(count, late=late, temperature=temperature)
    assert_same(CODEC.decode(encode_batch(KIND, batch)), batch)


def test_any_avro_client_reads_it() -> None:
    record = fastavro.schemaless_reader(
        io.BytesIO(encode_batch(KIND, make_batch())[5:]), fastavro.parse_schema(batch_schema(KIND)), None
    )
    assert record["sensor_ids"] == ["a", "b"]
    assert record["pressure_kpa"] == [1.8, 2.0, 2.2]
    assert record["flow_m3h"] == []
    assert record["mode"] == "exercise"


def test_a_batch_written_by_another_avro_library_is_read() -> None:
    batch = make_batch()
    schema = fastavro.parse_schema(batch_schema(KIND))
    out = io.BytesIO()
    record = fastavro.schemaless_reader(io.BytesIO(encode_batch(KIND, batch)[5:]), schema, None)
    fastavro.schemaless_writer(out, schema, record)
    assert_same(CODEC.decode(head(schema_id(batch_schema(KIND))) + out.getvalue()), batch)


def test_a_batch_of_an_older_schema_is_read(tmp_path) -> None:
    old = batch_schema(KIND)
    old["fields"] = [field for field in old["fields"] if field["name"] != "temperature_c"]
    folder = tmp_path / batch_subject("gas_pressure")
    folder.mkdir()
    import json

    (folder / "1.avsc").write_text(json.dumps(old))
    store = SchemaStore({batch_subject("gas_pressure"): batch_schema(KIND)}, [tmp_path])
    record = fastavro.schemaless_reader(
        io.BytesIO(encode_batch(KIND, make_batch(temperature=False))[5:]),
        fastavro.parse_schema(batch_schema(KIND)),
        None,
    )
    del record["temperature_c"]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(old), record)
    codec = BatchCodec({"gas_pressure": KIND}, store)
    assert_same(codec.decode(head(schema_id(old)) + out.getvalue()), make_batch(temperature=False))


def test_an_empty_batch_round_trips() -> None:
    batch = empty_batch(KIND, "p", "processor", 5)
    assert len(CODEC.decode(encode_batch(KIND, batch))) == 0


def test_columns_of_different_length_are_refused_both_ways() -> None:
    batch = make_batch()
    batch.values["pressure_kpa"] = np.array([1.0])
    with pytest.raises(ValueError, match="differ in length"):
        encode_batch(KIND, batch)


def test_an_index_outside_of_the_sensors_is_refused() -> None:
    batch = make_batch()
    batch.sensor = np.array([0, 1, 2], np.int32)
    with pytest.raises(DecodeError, match="not in sensor_ids"):
        CODEC.decode(encode_batch(KIND, batch))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too short"),
        (b"\x01\x00\x00\x00\x01x", "starts with 0x00"),
        (b"\x00\x00\x00\x00\x01x", "not that of a batch"),
    ],
)
def test_what_is_no_batch_is_named(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        CODEC.decode(data)


@given(st.data())
def test_damaged_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    whole = bytearray(encode_batch(KIND, make_batch(20)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(5, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(5, len(whole)))
    try:
        CODEC.decode(bytes(whole[:cut]))
    except DecodeError:
        return
