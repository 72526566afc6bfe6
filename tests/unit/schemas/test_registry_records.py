"""The registry on its topics: an import counts whole, with its marker, or not at all."""

import pytest

from schemas.registry import Asset, Sensor
from schemas.registry_records import (
    ASSETS_TOPIC,
    SENSORS_TOPIC,
    VERSION_HEADER,
    Marker,
    Row,
    TopicReader,
    decode_row,
    encode_row,
)  # fmt: skip
from schemas.wire import DecodeError

SENSOR = Sensor(
    "s1", "gas_pressure", "Regulator", "c/d/s", "gas", 31.2, 121.5, "p1", "low-pressure", {"zero": 1.5, "make": "x"}
)
ASSET = Asset("p1", "pipe", "Main", "c/d/s", "city", "gas", "POINT (1 2)", "A", risk_point=True)
HEADERS = [(VERSION_HEADER, b"1")]


def row(id: str, import_id: str, version: int = 1, entry: Sensor | None = SENSOR) -> bytes:
    return encode_row(SENSORS_TOPIC, Row(id, version, import_id, entry))


def marker(version: int, import_id: str, rows: int) -> bytes:
    return Marker(version, import_id, rows, "me", 0).encode()


@pytest.mark.parametrize(("topic", "entry"), [(SENSORS_TOPIC, SENSOR), (ASSETS_TOPIC, ASSET)])
def test_rows_round_trip(topic: str, entry: Sensor | Asset) -> None:
    one = Row("s1" if topic == SENSORS_TOPIC else "p1", 3, "i", entry)
    assert decode_row(topic, encode_row(topic, one)) == one
    gone = Row("x", 3, "i", None)
    assert decode_row(topic, encode_row(topic, gone)) == gone


def test_rows_count_from_their_marker() -> None:
    reader = TopicReader(SENSORS_TOPIC)
    assert reader.feed(row("s1", "a"), None) is None
    assert reader.entries == {}
    assert reader.feed(marker(1, "a", 1), HEADERS) is not None
    assert reader.entries == {"s1": SENSOR}


def test_rows_of_an_aborted_import_never_count() -> None:
    reader = TopicReader(SENSORS_TOPIC)
    reader.feed(row("s1", "aborted", entry=Sensor("s1", "k", "wrong", "c", "gas")), None)
    reader.feed(row("s1", "b"), None)
    reader.feed(marker(1, "b", 1), HEADERS)
    assert reader.entries == {"s1": SENSOR}


def test_a_later_version_changes_and_removes() -> None:
    reader = TopicReader(SENSORS_TOPIC)
    other = Sensor("s2", "k", "other", "c", "gas")
    for value in (row("s1", "a"), row("s2", "a", entry=other)):
        reader.feed(value, None)
    reader.feed(marker(1, "a", 2), HEADERS)
    reader.feed(row("s1", "b", version=2, entry=None), None)
    reader.feed(marker(2, "b", 1), HEADERS)
    assert (reader.version, reader.entries) == (2, {"s2": other})


def test_the_second_of_two_imports_of_one_version_is_ignored() -> None:
    reader = TopicReader(SENSORS_TOPIC)
    reader.feed(marker(1, "a", 0), HEADERS)
    assert reader.feed(marker(1, "b", 5), HEADERS) is None


def test_missing_rows_are_an_error() -> None:
    reader = TopicReader(SENSORS_TOPIC)
    reader.feed(row("s1", "a"), None)
    with pytest.raises(DecodeError, match="1 rows instead of 2"):
        reader.feed(marker(1, "a", 2), HEADERS)
