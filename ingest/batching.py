"""From accepted readings to batches: one for each partition, bounded in readings and bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.known import KnownSensors
from ingest.tickets import Ticket
from ingest.validate import Accepted
from schemas.batch import Batch, Mode, encode_batch
from schemas.kinds import Kind

MAX_BATCH_BYTES = 900_000
"""Below Kafka's message.max.bytes, with room for the record's own overhead."""


@dataclass(slots=True)
class Lane:
    """Readings of one kind, mode and run that wait for more of them. All parts know the same registry version."""

    kind: Kind
    mode: Mode
    run_id: str
    known: KnownSensors
    deadline: float
    received_at: int
    parts: list[tuple[Accepted, Ticket]] = field(default_factory=list)
    readings: int = 0

    def add(self, accepted: Accepted, ticket: Ticket, received_at: int) -> None:
        ticket.expect()
        self.parts.append((accepted, ticket))
        self.readings += len(accepted)
        self.received_at = min(self.received_at, received_at)


@dataclass(slots=True)
class Shipment:
    """One Kafka record, and the tickets that wait for it."""

    partition: int
    value: bytes
    readings: int
    tickets: list[Ticket]


def shipments(lane: Lane, gateway: str, source: str, most: int) -> Iterator[Shipment]:
    """A lane's readings as batches of at most `most` readings each; within a partition they keep their order."""
    accepted = [part for part, _ in lane.parts]
    rows = _joined([part.rows for part in accepted])
    owners = np.repeat(np.arange(len(accepted)), [len(part) for part in accepted])
    partitions = lane.known.partitions[rows]
    order = np.argsort(partitions, kind="stable")
    sorted_partitions = partitions[order]
    rows, owners = rows[order], owners[order]
    observed_at = _joined([part.observed_at for part in accepted])[order]
    late = _joined([part.late for part in accepted])[order]
    values = {name: _joined([part.values[name] for part in accepted])[order] for name in accepted[0].values}
    cuts = [0, *(np.flatnonzero(np.diff(sorted_partitions)) + 1).tolist(), len(rows)]
    tickets = [ticket for _, ticket in lane.parts]
    spans = [(a, min(a + most, end)) for start, end in pairwise(cuts) for a in range(start, end, most)]
    while spans:
        start, end = spans.pop(0)
        unique, sensor = np.unique(rows[start:end], return_inverse=True)
        batch = Batch(
            kind=lane.kind.name,
            gateway=gateway,
            source=source,
            mode=lane.mode,
            run_id=lane.run_id,
            received_at=lane.received_at,
            sensor_ids=[lane.known.ids[row] for row in unique.tolist()],
            sensor=sensor.astype(np.int32),
            observed_at=observed_at[start:end],
            late=late[start:end],
            values={name: column[start:end] for name, column in values.items()},
            registry_version=lane.known.registry.version,
        )
        value = encode_batch(lane.kind, batch)
        if len(value) > MAX_BATCH_BYTES and end - start > 1:
            middle = (start + end) // 2
            spans[:0] = [(start, middle), (middle, end)]
            continue
        waiting = [tickets[owner] for owner in np.unique(owners[start:end]).tolist()]
        yield Shipment(int(sorted_partitions[start]), value, end - start, waiting)


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
