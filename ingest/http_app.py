"""The HTTP gateway as an ASGI application, written bare: its one hot path is POST /v1/readings/<kind>."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping

from ingest.api_keys import ApiKey, KeyFile
from ingest.directory import Directory
from ingest.events import read_events
from ingest.forms import Form
from ingest.forms.gzipped import decompress
from ingest.http_answers import Receive, Refused, Scope, Send, answer, answer_refused, encode, retry_after
from ingest.http_request import PREFIX, Gone, Head, read_body, read_head, too_large, unauthorized
from ingest.http_schemas import CONTENT_TYPE, schema_registry
from ingest.http_shares import Shares
from ingest.intake import HowToRead, Outcome, Submitter, examine, refuse
from ingest.layout import Layout
from ingest.parsed import Fault, UnreadableError
from ingest.publisher import Publisher
from ingest.rejects import Envelope
from ingest.tickets import Ticket
from runtime import metrics
from runtime.settings import Settings
from schemas.batch import Mode
from schemas.kinds import Kind
from schemas.reasons import Reason
from schemas.wire import SchemaStore

# parsing a smaller body takes about a millisecond; larger ones are parsed in a thread, two at a time, and of the
# largest, which become many times their size in memory, one
INLINE_BYTES = 32_000
LARGE_BYTES = 4_000_000
_IN_THREADS = 2
_ROOM_EVERY_S = 0.01
EVENTS_PATH = "/v1/events"
EVENTS_KIND = "events"
"""Stands for events in the list of kinds that an API key may write."""
EVENTS_BYTES = 1_000_000
_KAFKA_RETRY_S = 5


class HttpApp:
    """Answers 200 only when Kafka has everything: the accepted readings and the rejected ones."""

    def __init__(
        self,
        settings: Settings,
        kinds: Mapping[str, Kind],
        directory: Directory,
        publisher: Publisher,
        keys: KeyFile | None,
        store: SchemaStore,
    ) -> None:
        self._gateway = settings.instance
        self._limit = settings.http_max_body_bytes
        self._layouts = {name: Layout(kind) for name, kind in kinds.items()}
        self._directory = directory
        self._publisher = publisher
        self._submitter = Submitter(publisher, "http", kinds)
        self._keys = keys
        self._store = store
        self._kinds = encode([_describe(kind) for kind in kinds.values()])
        self._shares = Shares(
            settings.http_client_in_flight_bytes, settings.in_flight_bytes, lambda: publisher.in_flight_bytes
        )
        self._seconds = metrics.INGEST_SECONDS.labels("http")
        self._threads = asyncio.Semaphore(_IN_THREADS)
        self._large = asyncio.Lock()
        self._most_in_flight = settings.in_flight_bytes
        self._patience_s = settings.publish_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        try:
            if path == EVENTS_PATH:
                await self._events(scope, receive, send)
            elif path.startswith(PREFIX):
                await self._readings(scope, path[len(PREFIX) :], receive, send)
            else:
                await self._others(scope["method"], path, send)
        except Refused as refused:
            metrics.INGEST_REFUSED.labels("http", str(refused.status)).inc()
            await answer_refused(send, refused)
        except Gone:
            metrics.INGEST_REFUSED.labels("http", "gone").inc()

    async def _others(self, method: str, path: str, send: Send) -> None:
        if path == "/v1/kinds":
            body, content_type = self._kinds, b"application/json"
        else:
            found = schema_registry(self._store, path.rstrip("/") or "/")
            if found is None:
                here = "POST /v1/readings/<kind>, POST /v1/events, GET /v1/kinds, /schemas/ids/<id>, /subjects"
                raise Refused(404, "not_found", f"nothing is at {path[:100]!r}; here are {here}")
            body, content_type = found, CONTENT_TYPE
        if method not in ("GET", "HEAD"):
            raise Refused(405, "method_not_allowed", f"{method} is not allowed here", (b"allow", b"GET, HEAD"))
        await answer(send, 200, body, content_type=content_type)

    async def _readings(self, scope: Scope, kind: str, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise Refused(405, "method_not_allowed", "readings are sent by POST", (b"allow", b"POST"))
        head = read_head(scope["headers"], self._keys is not None)
        client = self._client(head, scope, kind)
        if head.length is not None and head.length > self._limit:
            raise too_large(self._limit, f"the body has {head.length} bytes")
        self._shares.take(client, 0, head.length or 0)
        envelope = Envelope(
            "http", self._gateway, scope["path"], client, kind, head.mode, head.run_id, time.time_ns() // 1_000_000
        )
        taken = 0

        def grow(size: int) -> None:
            nonlocal taken
            self._shares.take(client, size)
            taken += size

        try:
            payload = await read_body(receive, self._limit, grow)
            outcome = await self._examine(kind, payload, head, envelope)
            await self._store_all(outcome, envelope)
        finally:
            self._shares.give_back(client, taken)
        if outcome.unreadable is not None:
            raise _refusal(outcome.unreadable, kind, self._layouts, self._limit)
        await answer(send, 200, _body(outcome))

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise Refused(405, "method_not_allowed", "events are sent by POST", (b"allow", b"POST"))
        head = read_head(scope["headers"], self._keys is not None)
        if head.form is not Form.JSON or head.gzipped or head.mode is Mode.HISTORY:
            detail = "events are JSON, not compressed, and live or exercise"
            raise Refused(415, "unsupported_media_type", detail)
        client = self._client(head, scope, EVENTS_KIND)
        if head.length is not None and head.length > EVENTS_BYTES:
            raise too_large(EVENTS_BYTES, f"the body has {head.length} bytes")
        taken = 0

        def grow(size: int) -> None:
            nonlocal taken
            self._shares.take(client, size)
            taken += size

        try:
            payload = await read_body(receive, EVENTS_BYTES, grow)
            try:
                found = read_events(payload, str(head.mode), head.run_id, time.time_ns() // 1_000_000)
            except ValueError as error:
                raise Refused(400, Reason.UNREADABLE.value, str(error)) from None

            def submit(ticket: Ticket) -> Iterable[object]:
                for event in found.events:
                    self._publisher.event(event, ticket)
                    yield event
                ticket.seal()

            await self._delivered(submit)
        finally:
            self._shares.give_back(client, taken)
        rejected = [dataclasses.asdict(one) for one in found.rejected]
        await answer(send, 200, encode({"accepted": len(found.events), "rejected": rejected}))

    def _client(self, head: Head, scope: Scope, kind: str) -> str:
        if self._keys is None:
            return str(scope["client"][0]) if scope.get("client") else "local"
        key: ApiKey | None = None if head.token is None else self._keys.find(head.token)
        if key is None:
            raise unauthorized("this API key is not known" if head.token else "an API key is needed: Bearer <API key>")
        if not key.may_write(kind):
            raise Refused(403, "forbidden", f"the key {key.name} may not write {kind[:100]!r}")
        return key.name

    async def _examine(self, kind: str, payload: bytes, head: Head, envelope: Envelope) -> Outcome:
        layout = self._layouts.get(kind)
        known = self._directory.known(kind)
        if layout is None:
            return refuse(payload, Reason.UNKNOWN_KIND, f"there is no kind {kind[:100]!r}", envelope)
        if known is None:
            why = self._directory.problem() or "the registry is being read"
            raise Refused(503, "not_ready", why, retry_after(_KAFKA_RETRY_S))
        how = HowToRead(head.form, self._limit)
        if len(payload) <= INLINE_BYTES and not head.gzipped:
            return examine(layout, known, payload, how, envelope)
        async with self._threads:
            await self._room()
            body = payload
            if head.gzipped:
                try:
                    body = await asyncio.to_thread(decompress, payload, self._limit)
                except UnreadableError as error:
                    return refuse(payload, error.reason, error.detail, envelope)
            async with self._large if len(body) > LARGE_BYTES else contextlib.nullcontext():
                outcome = await asyncio.to_thread(examine, layout, known, body, how, envelope)
        if head.gzipped and outcome.unreadable is not None:
            return refuse(payload, outcome.unreadable.reason, outcome.unreadable.detail, envelope)
        return outcome

    async def _room(self) -> None:
        """Wait while too much waits for Kafka. Raises Refused (503) when that takes too long."""
        deadline = time.monotonic() + self._patience_s
        while self._publisher.in_flight_bytes > self._most_in_flight:
            if time.monotonic() > deadline:
                raise Refused(503, "busy", "too many bytes wait for Kafka; try again", retry_after(_KAFKA_RETRY_S))
            await asyncio.sleep(_ROOM_EVERY_S)

    async def _store_all(self, outcome: Outcome, envelope: Envelope) -> None:
        """Wait until Kafka has all of it. Raises Refused (503) when it does not take it in time."""
        started = time.monotonic()
        await self._delivered(lambda ticket: self._submitter.submit(outcome, envelope, ticket))
        self._seconds.observe(time.monotonic() - started)

    async def _delivered(self, submit: Callable[[Ticket], Iterable[object]]) -> None:
        """Wait for all that is put under the ticket. Raises Refused (503) when Kafka does not take it in time."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled(_: Ticket) -> None:
            if not done.done():  # the request may have been cancelled meanwhile
                done.set_result(None)

        ticket = Ticket(settled)
        for _ in submit(ticket):
            await asyncio.sleep(0)
            await self._room()
        await done
        if ticket.error is not None:
            detail = f"Kafka did not acknowledge it: {ticket.error}. Nothing is promised; send it again"
            raise Refused(503, "kafka_away", detail, retry_after(_KAFKA_RETRY_S))


_ALL_ACCEPTED = b'{"accepted":%d,"rejected":[]}'


def _body(outcome: Outcome) -> bytes:
    accepted = 0 if outcome.accepted is None else len(outcome.accepted)
    if not outcome.faults:
        return _ALL_ACCEPTED % accepted
    rejected = [
        {"index": fault.item, "sensor_id": fault.sensor_id, "reason": fault.reason.value, "detail": fault.detail}
        | ({"readings": fault.readings} if fault.readings > 1 else {})
        for fault in outcome.faults
    ]
    return encode({"accepted": accepted, "rejected": rejected})


def _refusal(fault: Fault, kind: str, layouts: Mapping[str, Layout], limit: int) -> Refused:
    if fault.reason is Reason.UNKNOWN_KIND:
        return Refused(404, fault.reason.value, f"there is no kind {kind[:100]!r}; allowed: {', '.join(layouts)}")
    if fault.reason is Reason.TOO_LARGE:
        return too_large(limit, fault.detail)
    return Refused(400, fault.reason.value, fault.detail)


def _describe(kind: Kind) -> dict[str, object]:
    fields = [
        {
            "name": field.name, "doc": field.doc, "unit": field.unit, "min": field.minimum, "max": field.maximum,
            "resolution": field.resolution, "optional": field.optional,
        }
        for field in kind.fields
    ]  # fmt: skip
    about = {"name": kind.name, "doc": kind.doc, "period_s": kind.period_s, "max_delay_s": kind.max_delay_s}
    return {**about, "fields": fields}
