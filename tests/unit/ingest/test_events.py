"""Events from outside: what is taken, and what is said about the rest."""

import json

import pytest

from ingest.events import MOST_EVENTS, read_events
from schemas.levels import Level
from schemas.records import Event

NOW = 1_790_000_000_000
GOOD = {
    "event_id": "w-1", "type": "rainstorm", "level": "orange", "zone": "city/north", "valid_from": "2026-09-21T21:33:20+08:00",
    "valid_until": NOW + 3_600_000, "source": "weather service",
}  # fmt: skip


def read(*items, mode="live", run_id=""):
    return read_events(json.dumps(items[0] if len(items) == 1 else items).encode(), mode, run_id, NOW)


def test_an_event_with_a_zone() -> None:
    found = read(GOOD)
    assert found.rejected == []
    assert found.events == [
        Event("w-1", "rainstorm", Level.ORANGE, "city/north", "", 1_789_997_600_000, NOW + 3_600_000, "weather service", "live", "", NOW)
    ]  # fmt: skip


def test_an_event_with_a_polygon_from_now_on_without_a_level() -> None:
    polygon = "POLYGON ((112 30, 113 30, 113 31, 112 30))"
    item = {k: v for k, v in GOOD.items() if k not in ("zone", "level", "valid_from")} | {"polygon": polygon}
    (event,) = read(item, mode="exercise", run_id="r").events
    assert (event.polygon, event.zone, event.level, event.valid_from) == (polygon, "", Level.NONE, NOW)
    assert (event.mode, event.run_id) == ("exercise", "r")
    assert Event.decode(event.encode()) == event


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"event_id": ""}, "event_id", "a text of 1 to 200 characters"),
        ({"event_id": 5}, "event_id", "a text of 1 to 200 characters"),
        ({"type": "Rain storm"}, "type", "lower case letters"),
        ({"level": "purple"}, "level", "blue, yellow, orange, red"),
        ({"zone": "a//b"}, "zone", "a path such as city/district"),
        ({"zone": "a/b/c/d/e/f"}, "zone", "a path such as city/district"),
        ({"zone": None}, "zone", "either `zone`"),
        ({"polygon": "POLYGON ((112 30, 113 30, 113 31, 112 30))"}, "zone", "either `zone`"),
        ({"zone": None, "polygon": "POINT (112 30)"}, "polygon", "a POLYGON is needed"),
        ({"zone": None, "polygon": "POLYGON ((112 30))"}, "polygon", "at least four positions"),
        ({"valid_until": None}, "valid_until", "valid_until None is no time"),
        ({"valid_until": "soon"}, "valid_until", "valid_until"),
        ({"valid_until": NOW - 90_000_000}, "valid_until", "after valid_from"),
        ({"source": " "}, "source", "a text of 1 to 200"),
        ({"sauce": "x"}, "sauce", "is not a key of an event"),
    ],
)
def test_what_is_wrong_is_named(change, field, said) -> None:
    found = read({**GOOD, **change}, GOOD)
    assert len(found.events) == 1
    (rejected,) = found.rejected
    assert (rejected.index, rejected.field) == (0, field)
    assert said in rejected.detail


@pytest.mark.parametrize(("body", "said"), [(b"{", "not JSON"), (b"\xff", "not JSON"), (b"[" * 100_000, "not JSON")])
def test_a_body_that_is_no_json(body, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_events(body, "live", "", NOW)


def test_items_that_are_no_objects_and_too_many() -> None:
    assert [one.detail for one in read(GOOD, 5).rejected] == ["an event is a JSON object"]
    with pytest.raises(ValueError, match="at most 1000"):
        read(*([GOOD] * (MOST_EVENTS + 1)))
