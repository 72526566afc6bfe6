"""The coupling service's state in its compacted topic, and what it has published since.

A saved state is the whole state behind one offset of `signals`: chunks first, then the manifest that makes them count.
Whoever wrote it, it is a true state of the log; the newest complete one is taken.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processors.checkpoint.plan import encode_part
from runtime.kafka import client_config, topic_name
from runtime.settings import Settings
from schemas.records import Record, Signal, ZoneRisk, record_schema
from schemas.wire import DecodeError, RecordCodec, SchemaStore

TOPIC = "checkpoints.coupling"
CHUNK_BYTES = 512 * 1024
NOTHING = -1

_SUBJECT = "checkpoints-value"
_CODEC = RecordCodec(SchemaStore({_SUBJECT: record_schema("checkpoint")}), _SUBJECT)


@dataclass(slots=True)
class Saved:
    """The newest saved state (`offset` −1: none), the keys in the topic, and what was published behind it."""

    offset: int = NOTHING
    state: Mapping[str, Any] | None = None
    risks_from: int = 0
    keys: set[str] = field(default_factory=set)
    published: set[str] = field(default_factory=set)


def entries(
    term: int, number: int, offset: int, risks_from: int, state: Mapping[str, Any]
) -> tuple[list[tuple[str, bytes]], tuple[str, bytes]]:
    """Chunks and manifest of a state; chunks of one state never overwrite those of the one before."""
    body = zlib.compress(json.dumps(state).encode(), 1)
    parts = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)]
    keys = [f"chunk/{term}/{number % 2}/{n}" for n in range(len(parts))]
    manifest = {"offset": offset, "risks_from": risks_from, "chunks": keys, "checksum": zlib.crc32(body)}
    chunks = [(key, encode_part("chunk", term, number, part)) for key, part in zip(keys, parts, strict=True)]
    value = encode_part("manifest", term, number, json.dumps(manifest).encode())
    return chunks, (f"manifest/{term}/{number % 2}", value)


def newest(records: Mapping[str, bytes]) -> Saved:
    """The newest complete state among the records by key."""
    bodies = {key: _CODEC.decode(value)["body"] for key, value in records.items()}
    manifests = [json.loads(body) for key, body in bodies.items() if key.startswith("manifest/")]
    for manifest in sorted(manifests, key=lambda one: int(one["offset"]), reverse=True):
        if all(key in bodies for key in manifest["chunks"]):
            body = b"".join(bodies[key] for key in manifest["chunks"])
            if zlib.crc32(body) == manifest["checksum"]:
                state = json.loads(zlib.decompress(body))
                return Saved(int(manifest["offset"]), state, int(manifest["risks_from"]), set(records))
    return Saved(keys=set(records))


def risk_key(risk: ZoneRisk) -> str:
    """What tells one published change of the index from any other."""
    return f"{risk.mode}/{risk.run_id}/{risk.zone}/{risk.sequence}"


def load(settings: Settings, timeout_s: float = 60) -> Saved:
    """The newest saved state, and the ids of what was published behind it. Blocks; raises `KafkaException`."""
    records: dict[str, bytes] = {}
    for message in _whole(settings, TOPIC, 0, timeout_s):
        key = (message.key() or b"").decode()
        if message.value() is None:
            records.pop(key, None)
        else:
            records[key] = message.value()
    saved = newest(records)

    def published(name: str, since: int, record: type[Record], key: Callable[[Any], str]) -> None:
        for message in _whole(settings, name, since, timeout_s):
            try:
                saved.published.add(key(record.decode(message.value())))
            except DecodeError:
                continue  # said when it is read as a record of the log

    published("signals", saved.offset + 1, Signal, lambda signal: str(signal.signal_id))
    published("zones.risk", saved.risks_from, ZoneRisk, risk_key)
    return saved


def _whole(settings: Settings, name: str, since: int, timeout_s: float) -> Iterator[Message]:
    """The records of a one-partition topic from an offset to the end that it has now."""
    place = TopicPartition(topic_name(settings, name), 0)
    consumer = Consumer(client_config(settings) | {"group.id": "unused", "enable.auto.commit": False,
                                                   "enable.partition.eof": False})  # fmt: skip
    deadline = time.monotonic() + timeout_s
    try:
        low, end = consumer.get_watermark_offsets(place, timeout=timeout_s)
        position = max(low, since)
        if position >= end:
            return
        consumer.assign([TopicPartition(place.topic, 0, position)])
        while position < end:
            messages = consumer.consume(1000, timeout=0.1)
            if not messages:
                # a compacted topic may end in records that are gone
                (at,) = consumer.position([place])
                position = max(position, at.offset)
                if time.monotonic() > deadline:
                    raise KafkaException(f"{name} could not be read within {timeout_s:.0f} s")
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.retriable():
                        continue
                    raise KafkaException(error)
                position = message.offset() + 1
                yield message
    finally:
        consumer.close()
