"""Rejected readings as records of `readings.rejected`: with the original bytes, never silently dropped. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
) -> list[Rejected]:
    """A record for each fault.

    Faults that share their bytes (of a SenML pack, whose base values concern all its records) and the reason share a
    record, so that the rejects of a payload are never many times the payload.
    """
    merged: dict[tuple[int, str], list[Fault]] = {}
    bytes_of: dict[int, bytes] = {}
    for fault in faults:
        raw = payload if fault.item == NO_ITEM else original(fault.item)
        key = id(raw) if raw is payload else -2 - fault.item
        bytes_of[key] = raw
        merged.setdefault((key, fault.reason), []).append(fault)
    return [_record(same, bytes_of[key], envelope) for (key, _), same in merged.items()]


def _record(faults: list[Fault], raw: bytes, envelope: Envelope) -> Rejected:
    detail = faults[0].detail
    if len(faults) > 1:
        detail += f" (and {len(faults) - 1} more readings: " + "; ".join(fault.detail for fault in faults[1:4]) + " …)"
    if len(raw) > MAX_ORIGINAL_BYTES:
        detail = f"[original cut from {len(raw)} to {MAX_ORIGINAL_BYTES} bytes] {detail}"
    return Rejected(
        original=raw[:MAX_ORIGINAL_BYTES],
        truncated=len(raw) > MAX_ORIGINAL_BYTES,
        source=envelope.source,
        gateway=envelope.gateway,
        origin=_text(envelope.origin, MAX_ORIGIN),
        client=_text(envelope.client, MAX_ORIGIN),
        kind=_text(envelope.kind, 100),
        sensor_id=faults[0].sensor_id,
        reason=faults[0].reason.value,
        detail=_text(detail, MAX_DETAIL),
        mode=envelope.mode.value,
        run_id=envelope.run_id,
        received_at=envelope.received_at,
        readings=sum(fault.readings for fault in faults),
    )


def _text(text: str, most: int) -> str:
    return text[:most].encode("utf-8", "replace").decode()
