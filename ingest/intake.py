"""One payload from bytes to tickets: parse and validate (pure), then submit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.forms import Form, parse
from ingest.known import KnownSensors
from ingest.layout import Layout
from ingest.parsed import NO_ITEM, Fault, UnreadableError
from ingest.publisher import Publisher
from ingest.rejects import Envelope, rejected_records
from ingest.tickets import Ticket
from ingest.validate import Accepted, Result, validate
from runtime import metrics
from schemas.kinds import Kind
from schemas.reasons import Reason
from schemas.records import Rejected

# rejects are published in steps of so many, so that a payload full of them does not hold up the others
STEP = 200


@dataclass(slots=True)
class Outcome:
    """What became of a payload; `rejects` can be gone through once.

    `unreadable` is its fault as a whole, and then the only one.
    """

    form: str
    accepted: Accepted | None
    faults: list[Fault]
    rejects: Iterator[Rejected]
    unreadable: Fault | None = None
    unknown_fields: bool = False


@dataclass(frozen=True, slots=True)
class HowToRead:
    """How a payload is to be read."""

    form: Form
    limit: int
    sensor_id: str = ""


def examine(layout: Layout, known: KnownSensors, payload: bytes, how: HowToRead, envelope: Envelope) -> Outcome:
    """A payload that is not compressed (any more). Pure, and safe in any thread."""
    try:
        if len(payload) > how.limit:
            raise UnreadableError(f"{len(payload)} bytes; the limit is {how.limit}", Reason.TOO_LARGE)
        parsed = parse(layout, payload, how.form, envelope.received_at, how.sensor_id)
    except UnreadableError as error:
        return refuse(payload, error.reason, error.detail, envelope, how.sensor_id)
    result: Result = validate(layout, parsed, known, envelope.received_at)
    rejects = rejected_records(result.faults, parsed.original, payload, envelope)
    return Outcome(parsed.form, result.accepted, result.faults, rejects, unknown_fields=parsed.unknown_fields)


def refuse(payload: bytes, reason: Reason, detail: str, envelope: Envelope, sensor_id: str = "") -> Outcome:
    """A payload that is rejected as a whole."""
    fault = Fault(NO_ITEM, sensor_id, reason, detail)
    rejects = rejected_records([fault], lambda _: payload, payload, envelope)
    return Outcome("unreadable", None, [fault], rejects, unreadable=fault)


class Submitter:
    """Counts outcomes and gives them to the publisher."""

    def __init__(self, publisher: Publisher, source: str, kinds: Mapping[str, Kind]) -> None:
        self._publisher = publisher
        self._source = source
        self._accepted = {kind: metrics.INGEST_ACCEPTED.labels(source, kind) for kind in kinds}
        self._late = {kind: metrics.INGEST_LATE.labels(source, kind) for kind in kinds}
        self._unknown = {kind: metrics.INGEST_UNKNOWN_FIELDS.labels(source, kind) for kind in kinds}

    def submit(self, outcome: Outcome, envelope: Envelope, ticket: Ticket) -> Iterator[None]:
        """Put everything under the ticket and seal it; a step of the iterator is a good place to let others run."""
        metrics.INGEST_PAYLOADS.labels(self._source, outcome.form).inc()
        accepted = outcome.accepted
        if accepted is not None:
            self.count(envelope.kind, accepted, outcome.unknown_fields)
            self._publisher.publish(
                envelope.kind, accepted, envelope.mode, envelope.run_id, envelope.received_at, ticket
            )
        for number, record in enumerate(outcome.rejects):
            metrics.INGEST_REJECTED.labels(self._source, record.reason).inc(record.readings)
            self._publisher.reject(record, ticket)
            if number % STEP == STEP - 1:
                yield
        ticket.seal()

    def count(self, kind: str, accepted: Accepted, unknown_fields: bool) -> None:
        self._accepted[kind].inc(len(accepted))
        late = int(accepted.late.sum())
        if late:
            self._late[kind].inc(late)
        if unknown_fields:
            self._unknown[kind].inc()
