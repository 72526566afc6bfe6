from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batching import MAX_BATCH_BYTES, Lane, shipments
from ingest.known import KnownSensors, known_sensors
from ingest.tickets import Ticket
from ingest.validate import Accepted
from schemas.batch import Batch, BatchCodec, Mode
from schemas.partition import partition_of
from schemas.registry import Sensor, Snapshot
from tests.unit.ingest.city import KINDS, NOW

KIND = KINDS["gas_pressure"]
CODEC = BatchCodec(KINDS)


def known(ids: list[str], partitions: int = 4) -> KnownSensors:
    sensors = {name: Sensor(name, KIND.name, name, "c", "gas") for name in ids}
    return known_sensors(Snapshot(1, sensors, {}), {KIND.name: partitions})[KIND.name]


def accepted(sensors: KnownSensors, rows: list[int], start: int) -> Accepted:
    n = len(rows)
    values = {field.name: np.arange(n, dtype=float) + start for field in KIND.fields}
    times = np.arange(start, start + n, dtype=np.int64) + NOW
    late = np.arange(n) % 2 == 1
    return Accepted(sensors, np.array(rows, np.int32), times, late, values, np.arange(n))


def ticket() -> Ticket:
    return Ticket(lambda _: None)


def rows(batch: Batch) -> list[tuple[str, int, bool, float]]:
    return [
        (batch.sensor_ids[batch.sensor[i]], int(batch.observed_at[i]), bool(batch.late[i]), float(batch.values["flow_m3h"][i]))
        for i in range(len(batch))
    ]  # fmt: skip


SENSORS = known([f"GP-{i}" for i in range(20)])


@given(st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=30), min_size=1, max_size=6), st.integers(1, 10))
def test_every_reading_is_in_one_batch_of_its_partition_in_order(posts: list[list[int]], most: int) -> None:
    lane = Lane(KIND, Mode.EXERCISE, "run", SENSORS, 0.0, NOW)
    tickets = [ticket() for _ in posts]
    expected: dict[int, list[tuple[str, int, bool, float]]] = {}
    start = 0
    for post, one in zip(posts, tickets, strict=True):
        lane.add(accepted(SENSORS, post, start), one, NOW + start)
        for i, row in enumerate(post):
            sensor = SENSORS.ids[row]
            reading = (sensor, NOW + start + i, i % 2 == 1, float(start + i))
            expected.setdefault(partition_of(sensor, 4), []).append(reading)
        start += len(post)
    found: dict[int, list[tuple[str, int, bool, float]]] = {}
    waited: set[Ticket] = set()
    for shipment in shipments(lane, "gateway", "http", most):
        batch = CODEC.decode(shipment.value)
        assert len(batch) == shipment.readings <= most
        assert (batch.mode, batch.run_id, batch.received_at, batch.source) == (Mode.EXERCISE, "run", NOW, "http")
        found.setdefault(shipment.partition, []).extend(rows(batch))
        mine = {t for post, t in zip(posts, tickets, strict=True) if any(_in(batch, SENSORS.ids[r]) for r in post)}
        assert set(shipment.tickets) <= mine
        assert len(set(shipment.tickets)) == len(shipment.tickets)
        waited.update(shipment.tickets)
    assert found == expected
    assert waited == set(tickets)


def _in(batch: Batch, sensor_id: str) -> bool:
    return sensor_id in batch.sensor_ids


def test_a_batch_of_long_ids_is_split_below_the_limit_in_bytes() -> None:
    sensors = known([f"{i:05d}{'x' * 5000}" for i in range(400)], partitions=1)
    lane = Lane(KIND, Mode.LIVE, "", sensors, 0.0, NOW)
    lane.add(accepted(sensors, list(range(400)), 0), ticket(), NOW)
    parts = list(shipments(lane, "g", "http", 2000))
    assert len(parts) > 1
    assert all(len(part.value) <= MAX_BATCH_BYTES for part in parts)
    together = [reading for part in parts for reading in rows(CODEC.decode(part.value))]
    assert [at for _, at, _, _ in together] == list(range(NOW, NOW + 400))


@pytest.mark.parametrize("failing", [None, 0, 1])
def test_a_ticket_is_done_once_after_its_last_part_and_keeps_the_first_error(failing: int | None) -> None:
    done: list[str | None] = []
    one = Ticket(lambda t: done.append(t.error))
    one.expect()
    one.expect()
    one.settle("lost" if failing == 0 else None)
    one.seal()
    assert done == []
    one.settle("gone" if failing == 1 else None)
    assert done == [{None: None, 0: "lost", 1: "gone"}[failing]]
