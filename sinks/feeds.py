"""What the sink does with each topic: how its records are decoded, counted and mapped to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.batch import CONTROL_HEADER, Batch, BatchCodec
from schemas.kinds import Kind
from schemas.records import Alert, Event, Rejected, Signal, ZoneRisk
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC, VERSION_HEADER, Marker, Row, decode_row
from schemas.rule_versions import MODES_TOPIC, RULES_TOPIC, Modes, RuleFiles
from schemas.wire import DecodeError
from sinks.rows.alerts import alert_events
from sinks.rows.control import Control, controls
from sinks.rows.events import events
from sinks.rows.place import EARLIEST_MS, LATEST_MS, Log, Placed, TableRows
from sinks.rows.readings import readings
from sinks.rows.registry import MARKERS_TABLE, registry
from sinks.rows.rejected import rejected
from sinks.rows.signals import signals
from sinks.rows.versions import mode_versions, rule_versions
from sinks.rows.zone_risk import zone_risks

Headers = Iterable[tuple[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Feed:
    """A topic's way into ClickHouse.

    `decode` raises `DecodeError`; `count` is how many rows a decoded record gives; `tables` maps records in log order.
    """

    topic: str
    decode: Callable[[bytes, Headers], Any]
    count: Callable[[Any], int]
    tables: Callable[[Log, Sequence[Placed[Any]]], list[TableRows]]


# dictionaries that are read anew when rows of a table are in
DICTIONARIES_OF = {MARKERS_TABLE: ("sensors", "zones")}


def feeds(kinds: Mapping[str, Kind]) -> dict[str, Feed]:
    """The feed of each topic (without prefix) that the sink stores."""
    codec = BatchCodec(kinds)
    found = [_readings_feed(kind, codec) for kind in kinds.values()]
    found += [
        Feed("signals", lambda data, _: Signal.decode(data), _one, lambda log, records: [signals(log, records)]),
        Feed("alerts", lambda data, _: Alert.decode(data), _one, lambda log, records: [alert_events(log, records)]),
        Feed("events", lambda data, _: Event.decode(data), _one, lambda log, records: [events(log, records)]),
        Feed("zones.risk", lambda data, _: ZoneRisk.decode(data), _one, lambda log, found: [zone_risks(log, found)]),
        Feed(
            "readings.rejected",
            lambda data, _: Rejected.decode(data),
            _one,
            lambda log, records: [rejected(log, records)],
        ),
        Feed(
            RULES_TOPIC,
            lambda data, _: RuleFiles.decode(data),
            _one,
            lambda log, records: [rule_versions(log, records)],
        ),
        Feed(MODES_TOPIC, lambda data, _: Modes.decode(data), _one, lambda log, records: [mode_versions(log, records)]),
        _registry_feed(SENSORS_TOPIC),
        _registry_feed(ASSETS_TOPIC),
    ]
    return {feed.topic: feed for feed in found}


def _readings_feed(kind: Kind, codec: BatchCodec) -> Feed:
    def decode(data: bytes, headers: Headers) -> Batch | Control:
        batch = codec.decode(data)
        if batch.kind != kind.name:
            raise DecodeError(f"a batch of {batch.kind} in the topic of {kind.name}")
        at = batch.observed_at
        if len(at) and (int(at.min()) < EARLIEST_MS or int(at.max()) >= LATEST_MS):
            raise DecodeError("observed_at lies outside the years 1970 to 2299")
        if not EARLIEST_MS <= batch.received_at < LATEST_MS:
            raise DecodeError("received_at lies outside the years 1970 to 2299")
        if not len(batch):
            for name, value in headers or ():
                if name == CONTROL_HEADER:
                    return Control((value or b"").decode(errors="replace"), batch.registry_version)
        return batch

    def tables(log: Log, records: Sequence[Placed[Batch | Control]]) -> list[TableRows]:
        batches = [Placed(p.value, p.offset, p.log_time) for p in records if isinstance(p.value, Batch)]
        control = [Placed(p.value, p.offset, p.log_time) for p in records if isinstance(p.value, Control)]
        found = [readings(kind, log, batches)] if batches else []
        return [*found, controls(kind, log, control)] if control else found

    return Feed(kind.topic, decode, lambda value: len(value) if isinstance(value, Batch) else 1, tables)


def _registry_feed(topic: str) -> Feed:
    def decode(data: bytes, headers: Headers) -> Row | Marker:
        if any(name == VERSION_HEADER for name, _ in headers or ()):
            return Marker.decode(data)
        return decode_row(topic, data)

    return Feed(topic, decode, _one, lambda log, records: registry(topic, log, records))


def _one(_: Any) -> int:
    return 1
