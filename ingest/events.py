"""Events from outside as they are posted: JSON objects to `Event` records, or a reason why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ingest.times import read_time
from schemas.levels import LEVELS, Level, level_of
from schemas.records import Event
from schemas.registry import ZONE_LEVELS
from schemas.wkt import WktError, parse_wkt

MOST_EVENTS = 1000
LONGEST_MS = 366 * 86_400_000

_TYPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS = ("event_id", "type", "level", "zone", "polygon", "valid_from", "valid_until", "source")


class EventError(ValueError):
    """An event cannot be taken; `field` is the key at fault."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """What was wrong with the item at `index`."""

    index: int
    event_id: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """The events of a body, and what was rejected."""

    events: list[Event]
    rejected: list[RejectedEvent]


def read_events(body: bytes, mode: str, run_id: str, received_at: int) -> ReadEvents:
    """Read one event or an array of them. Raises `ValueError` for a body that is neither."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    items = content if isinstance(content, list) else [content]
    if len(items) > MOST_EVENTS:
        raise ValueError(f"{len(items)} events in one post; at most {MOST_EVENTS} are allowed")
    found = ReadEvents([], [])
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            found.rejected.append(RejectedEvent(index, "", "", "an event is a JSON object"))
            continue
        try:
            found.events.append(read_event(item, mode, run_id, received_at))
        except EventError as error:
            name = item.get("event_id")
            name = name[:200] if isinstance(name, str) else ""
            found.rejected.append(RejectedEvent(index, name, error.field, str(error)))
    return found


def read_event(item: dict[str, Any], mode: str, run_id: str, received_at: int) -> Event:
    """Raises `EventError`. `valid_from` defaults to the time of receipt."""
    for key in item:
        if key not in _KEYS:
            raise EventError(key[:100], f"{key[:100]!r} is not a key of an event; keys: {', '.join(_KEYS)}")
    event_id = _text(item, "event_id", 200)
    type_ = _text(item, "type", 60)
    if not _TYPE.fullmatch(type_):
        raise EventError("type", f"type is {type_!r}; allowed: lower case letters, digits and -, such as bridge-closed")
    level = Level.NONE
    if item.get("level") not in (None, "", "none"):
        word = item["level"]
        if not isinstance(word, str) or word not in [one.word for one in LEVELS]:
            raise EventError("level", f"level is {word!r}; allowed: {', '.join(one.word for one in LEVELS)}, or none")
        level = level_of(word)
    zone = _text(item, "zone", 500) if item.get("zone") else ""
    if zone and (len(parts := zone.split("/")) > len(ZONE_LEVELS) or not all(parts)):
        raise EventError("zone", f"zone is {zone!r}; allowed: a path such as {'/'.join(ZONE_LEVELS)}, or its beginning")
    polygon = _polygon(item) if item.get("polygon") else ""
    if bool(zone) == bool(polygon):
        raise EventError("zone", "give either `zone` (a path) or `polygon` (WKT in WGS 84, longitude first)")
    start = _time(item, "valid_from") if item.get("valid_from") is not None else received_at
    end = _time(item, "valid_until")
    if not start < end <= start + LONGEST_MS:
        raise EventError("valid_until", "valid_until must lie after valid_from, at most 366 days")
    return Event(
        event_id, type_, level, zone, polygon, start, end, _text(item, "source", 200), mode, run_id, received_at
    )


def _text(item: dict[str, Any], key: str, longest: int) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise EventError(key, f"{key} is {str(value)[:50]!r}; a text of 1 to {longest} characters is needed")
    return value


def _time(item: dict[str, Any], key: str) -> int:
    try:
        return read_time(item.get(key))
    except ValueError as error:
        raise EventError(key, str(error).replace("observed_at", key)) from None


def _polygon(item: dict[str, Any]) -> str:
    text = _text(item, "polygon", 100_000)
    try:
        shape = parse_wkt(text)
    except WktError as error:
        raise EventError("polygon", f"polygon: {error}") from None
    if shape.type != "POLYGON":
        raise EventError("polygon", f"polygon is a {shape.type}; a POLYGON is needed")
    return text
