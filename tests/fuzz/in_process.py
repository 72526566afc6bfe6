"""The gateways without sockets and without Kafka, for volume: all between the body and the Kafka record is the real thing.

What is checked of each message: an answer below 500 (or no exception over MQTT); a reason for whatever is not accepted;
what is published and what is kept add up to what the answers say; and kept bytes are bytes that were sent.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ingest.http_app import HttpApp
from ingest.mqtt_intake import Message, MqttIntake
from ingest.publisher import Publisher
from ingest.tickets import Ticket
from runtime.settings import Settings
from schemas.batch import BatchCodec
from schemas.departments import load_departments
from schemas.records import Event, Rejected
from schemas.topics import load_topics, schema_store
from schemas.wire import DecodeError
from tests.fuzz.payloads import ODD_TEXTS, Payloads
from tests.unit.ingest.city import KINDS, KNOWN, NOW, SNAPSHOT

LIMIT = 100_000
"""Largest body: small, so that bombs are cheap."""
SENSORS = {name: sensor.kind for name, sensor in SNAPSHOT.sensors.items()}
SETTINGS = Settings(instance="fuzz", kafka_bootstrap="127.0.0.1:9", http_max_body_bytes=LIMIT, linger_ms=0)

HEADERS = [
    (b"content-type", [b"application/json", b"application/x-ndjson", b"application/senml+json", b"text/csv", b"", b"\xff",
                       b"application/json; charset=utf-16", b"application/json;" + b"a" * 5000]),
    (b"content-encoding", [b"gzip", b"identity", b"br", b"gzip, gzip", b""]),
    (b"riskstream-mode", [b"live", b"exercise", b"history", b"LIVE ", b"x", b"\x00"]),
    (b"riskstream-run-id", [b"r-1", b"", b"r" * 200, b"\xff", b"a b"]),
    (b"authorization", [b"Bearer x", b"Bearer", b"Basic \xff", b""]),
    (b"content-length", [b"0", b"5", b"99999999999999999999", b"-1", b"x", b"1_0", b""]),
    (b"x-" + b"h" * 1000, [b"v" * 5000]),
]  # fmt: skip


class FuzzError(AssertionError):
    """The gateway did what it never may; the message names seed and number, which bring it again."""


@dataclass
class Tally:
    """What became of the messages; `closes` says whether all are accounted for."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    readings: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def closes(self) -> bool:
        return self.sent == self.outcomes.total()


class Ledger(Publisher):
    """The real publisher up to the produce call; it counts and decodes what would go to Kafka, and calls it delivered."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, "fuzz", KINDS)
        self.readings = 0
        self.rejected: list[Rejected] = []
        self.events = 0
        self._batches_codec = BatchCodec(KINDS)

    def publish(self, *args: Any) -> None:
        super().publish(*args)
        self.flush()

    def _produce(
        self, topic: str, _partition: int, value: bytes, _headers: Any, tickets: list[Ticket], key: Any = None
    ) -> None:
        if topic == self._rejected_topic:
            self.rejected.append(Rejected.decode(value))
        elif topic == self._events_topic:
            Event.decode(value)
            self.events += 1
        else:
            self.readings += len(self._batches_codec.decode(value))
        for ticket in tickets:
            ticket.settle()

    def take(self) -> tuple[int, list[Rejected], int]:
        """What came since the last call: readings, rejected records, events."""
        found = self.readings, self.rejected, self.events
        self.readings, self.rejected, self.events = 0, [], 0
        return found


class Surroundings:
    """Stands for `Directory`: the sensors of the tests' city."""

    known = staticmethod(KNOWN.get)

    @staticmethod
    def problem() -> str | None:
        return None


class Fuzz:
    """Messages number `first` to `last` of a seed; each depends on seed and number alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._ledger = Ledger()
        topics = load_topics(KINDS, load_departments())
        surroundings: Any = Surroundings()
        self._app = HttpApp(SETTINGS, KINDS, surroundings, self._ledger, None, schema_store(topics))
        self._mqtt = MqttIntake(SETTINGS, KINDS, surroundings, self._ledger)

    def run(self, first: int, last: int) -> Tally:
        """Raises FuzzError."""
        tally = Tally()
        asyncio.run(self._run(tally, first, last))
        if not tally.closes():
            raise FuzzError(f"seed {self.seed}: {tally.sent} were sent, {tally.outcomes.total()} are accounted for")
        return tally

    async def _run(self, tally: Tally, first: int, last: int) -> None:
        for number in range(first, last):
            random = Random(f"{self.seed}/{number}")
            tally.sent += 1
            try:
                outcome = self._over_mqtt(random) if random.random() < 0.5 else await self._over_http(random)
            except Exception as error:
                raise FuzzError(f"seed {self.seed}, message {number}: {error!r}") from error
            tally.outcomes[outcome] += 1
            readings, rejected, _ = self._ledger.take()
            tally.readings += readings
            tally.kept += sum(record.readings for record in rejected)
            tally.reasons.update(record.reason for record in rejected)

    async def _over_http(self, random: Random) -> str:
        kind = random.choice([*SENSORS.values()] * 6 + [*KINDS, "tank", "", "a/b", "\ud800", "x" * 5000])
        payload, form = Payloads(random, KINDS, SENSORS, NOW).one(kind if kind in KINDS else "gas_pressure")
        events = random.random() < 0.1
        if events and random.random() < 0.8:
            payload = _event(random)
        headers = [
            (
                b"content-type",
                {"senml": b"application/senml+json", "ndjson": b"application/x-ndjson"}.get(form, b"application/json"),
            )
        ]
        if payload.startswith(b"\x1f\x8b") and random.random() < 0.9:
            headers.append((b"content-encoding", b"gzip"))
        if random.random() < 0.2:
            name, values = random.choice(HEADERS)
            headers.append((name, random.choice(values)))
        path = "/v1/events" if events else f"/v1/readings/{kind}"
        status, body = await call(self._app, path, headers, payload, random.choice([1, 7, 100_000]))
        answer = json.loads(body)
        if status >= 500:
            raise AssertionError(f"status {status}: {body[:300]!r}")
        readings, rejected, published_events = self._ledger.readings, self._ledger.rejected, self._ledger.events
        if status == 200:
            said = sum(one.get("readings", 1) for one in answer["rejected"])
            assert answer["accepted"] == (published_events if events else readings)
            if not events:
                assert said == sum(record.readings for record in rejected)
            assert answer["accepted"] + said > 0 or events
            assert all(one["detail"] for one in answer["rejected"])
            self._kept(rejected, payload)
            return "http: accepted" if answer["accepted"] else "http: rejected"
        assert 400 <= status < 500
        assert answer["error"]
        assert answer["detail"]
        assert not readings
        self._kept(rejected, payload)
        return "http: rejected" if rejected else "http: refused"

    def _over_mqtt(self, random: Random) -> str:
        kind = random.choice([*SENSORS.values()] * 6 + ["rainfall", "tank", ""])
        mine = [name for name, other in SENSORS.items() if other == kind]
        sensor = random.choice([*mine * 20, *SENSORS, "?", "\ufeff", "x" * 500])
        payload, _ = Payloads(random, KINDS, SENSORS, NOW, sensor).one(kind if kind in KINDS else "gas_pressure")
        topic = random.choice(
            [f"riskstream/v1/{kind}/{sensor}"] * 12
            + [
                f"riskstream/v1/{kind}",
                f"riskstream/v1/{kind}/{sensor}/",
                "riskstream/v1//",
                "/",
                "",
                "riskstream/v2/x/y",
                "/" * 300,
            ]
        )
        properties: tuple[tuple[str, str], ...] = ()
        if random.random() < 0.2:
            properties = tuple(
                (
                    random.choice(["riskstream-mode", "riskstream-run-id", "x"]),
                    random.choice(["exercise", "history", "", *ODD_TEXTS[:9]]),
                )
                for _ in range(random.randint(1, 3))
            )
        settled: list[Ticket] = []
        self._mqtt.take([Message(1, topic, payload, properties)], Ticket(settled.append))
        assert len(settled) == 1
        assert settled[0].error is None
        readings, rejected = self._ledger.readings, self._ledger.rejected
        assert readings or rejected, "neither accepted nor rejected"
        assert all(record.detail and record.reason for record in rejected)
        self._kept(rejected, payload)
        return "mqtt: accepted" if readings else "mqtt: rejected"

    def _kept(self, rejected: list[Rejected], payload: bytes) -> None:
        if all(record.original in payload for record in rejected):
            return
        plain = inflated(payload)
        for record in rejected:
            assert record.original in plain or record.original in payload, record


def _event(random: Random) -> bytes:
    event = {
        "event_id": "e", "type": "rainstorm", "level": "red", "zone": "city", "valid_from": NOW, "valid_until": NOW + 1000, "source": "s",
    }  # fmt: skip
    for _ in range(random.randint(0, 3)):
        event[random.choice([*event, "polygon", "x"])] = random.choice(
            [*ODD_TEXTS[:6], *ODD_TEXTS[8:], 1, -1, 10**30, None, True, [], {}, 1.5, "POLYGON((0 0,1 0,1 1,0 0))", "POLYGON" + "(" * 3000,
             "POLYGON((1e999 0,1 0,1 1,0 0))", "c/" * 9]
        )  # fmt: skip
    return json.dumps([event] * random.choice([1, 1, 2, 1001]) if random.random() < 0.5 else event).encode()


def inflated(payload: bytes) -> bytes:
    """As far as it goes."""
    try:
        return gzip.decompress(payload)
    except (OSError, EOFError, zlib.error):
        try:
            return zlib.decompressobj(wbits=31).decompress(payload)
        except zlib.error:
            return payload


async def call(app: Any, path: str, headers: list[tuple[bytes, bytes]], body: bytes, pieces: int) -> tuple[int, bytes]:
    """One POST to an ASGI app, its body in so many pieces at most."""
    size = max(1, -(-len(body) // pieces))
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
    if len(parts) > 200:
        parts = [body]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


__all__ = ["DecodeError", "Fuzz", "FuzzError", "Tally"]
