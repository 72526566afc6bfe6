"""Readings and runs as the JSON items that devices send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from riskstream.devices.simulator import Readings, Runs
from riskstream.devices.transport import Item


class Message(NamedTuple):
    """What one sensor says at once; `number` is its index in the fleet."""

    number: int
    kind: str
    sensor_id: str
    items: list[Item]
    readings: int


def messages_of(batch: Readings | Runs) -> Iterator[Message]:
    """One message a sensor: a reading, an array of readings in the order of time, or a run of samples."""
    return _runs(batch) if isinstance(batch, Runs) else _readings(batch)


def rfc3339(at_ms: int) -> str:
    """UTC with milliseconds."""
    return f"{np.datetime64(at_ms, 'ms')}Z"


def _readings(batch: Readings) -> Iterator[Message]:
    sensors, kind = batch.fleet.sensors, batch.fleet.kind.name
    order = np.argsort(batch.sensor, kind="stable")
    numbers = batch.sensor[order].tolist()
    times = batch.observed_at[order].tolist()
    # one device in four writes its times as text, as in the field
    as_text = (batch.fleet.who[batch.sensor[order]] % np.uint64(4) == 0).tolist()
    columns = {
        name: [None if value != value else value for value in column[order].tolist()]
        for name, column in batch.values.items()
    }
    items: list[Item] = []
    last = -1
    for i, number in enumerate(numbers):
        if number != last and items:
            yield Message(last, kind, sensors[last].sensor_id, items, len(items))
            items = []
        last = number
        item: dict[str, object] = {"observed_at": rfc3339(times[i]) if as_text[i] else times[i]}
        for name, values in columns.items():
            if values[i] is not None:
                item[name] = values[i]
        items.append(item)
    if items:
        yield Message(last, kind, sensors[last].sensor_id, items, len(items))


def _runs(batch: Runs) -> Iterator[Message]:
    kind = batch.fleet.kind
    sampled = next(field.name for field in kind.fields if not field.optional)
    for row, number in enumerate(batch.sensor.tolist()):
        item: dict[str, object] = {"observed_at": int(batch.observed_at[row]), "sample_rate_hz": batch.rate_hz}
        for name, column in batch.values.items():
            samples = column[row]
            # what stays the same over the run, such as the temperature, is sent once
            once = name != sampled and bool((samples == samples[0]).all())
            item[name] = float(samples[0]) if once else samples.tolist()
        sensor_id = batch.fleet.sensors[number].sensor_id
        yield Message(number, kind.name, sensor_id, [item], len(batch.values[sampled][row]))
