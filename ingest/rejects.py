"""Rejected readings as records of `readings.rejected`: with the original bytes, never silently dropped. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ingest.parsed import NO_ITEM, Fault
from schemas.batch import Mode
from schemas.records import Rejected

MAX_ORIGINAL_BYTES = 512 * 1024
"""What is longer is cut here, and the record says so (`truncated`, and in `detail`)."""
MAX_DETAIL = 1000
MAX_ORIGIN = 1000


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a payload came from: the same for everything in it. `origin` is the MQTT topic or the HTTP path."""

    source: str
    gateway: str
    origin: str
    client: str
    kind: str
    mode: Mode
    run_id: str
    received_at: int


def rejected_records(
    faults: Sequence[Fault], original: Callable[[int], bytes], payload: bytes, envelope: Envelope
) -> Iterator[Rejected]:
    """A record for each fault, made when it is asked for: many of them never are in memory at once.

    `faults` are in item order. Those of an item that share the reason share a record; so do those whose bytes are the
    payload (of a SenML pack, whose base values concern all its records), and theirs come last: the rejects of a payload
    are never many times the payload.
    """
    shared: dict[str, list[Fault]] = {}
    clean = replace(
        envelope,
        origin=_text(envelope.origin, MAX_ORIGIN),
        client=_text(envelope.client, MAX_ORIGIN),
        kind=_text(envelope.kind, 100),
    )
    for item, group in groupby(faults, key=lambda fault: fault.item):
        raw = payload if item == NO_ITEM else original(item)
        mine: dict[str, list[Fault]] = shared if raw is payload else {}
        for fault in group:
            mine.setdefault(fault.reason, []).append(fault)
        if mine is not shared:
            for same in mine.values():
                yield _record(same, raw, clean)
    for same in shared.values():
        yield _record(same, payload, clean)


def _record(faults: list[Fault], raw: bytes, envelope: Envelope) -> Rejected:
    first, detail = faults[0], faults[0].detail
    if len(faults) > 1:
        detail += f" (and {len(faults) - 1} more readings: " + "; ".join(fault.detail for fault in faults[1:4]) + " …)"
    if len(raw) > MAX_ORIGINAL_BYTES:
        detail = f"[original cut from {len(raw)} to {MAX_ORIGINAL_BYTES} bytes] {detail}"
    return Rejected(
        original=raw[:MAX_ORIGINAL_BYTES],
        truncated=len(raw) > MAX_ORIGINAL_BYTES,
        source=envelope.source,
        gateway=envelope.gateway,
        origin=envelope.origin,
        client=envelope.client,
        kind=envelope.kind,
        sensor_id=first.sensor_id,
        reason=first.reason.value,
        detail=_text(detail, MAX_DETAIL),
        mode=envelope.mode.value,
        run_id=envelope.run_id,
        received_at=envelope.received_at,
        readings=first.readings if len(faults) == 1 else sum(fault.readings for fault in faults),
    )


def _text(text: str, most: int) -> str:
    return text[:most].encode("utf-8", "replace").decode()
