"""A payload is bounded by what it becomes in memory, before it becomes that."""

from __future__ import annotations

import json
import time

import pytest

from ingest.forms import Form
from ingest.forms.measure import MAX_ITEMS, MAX_VALUES
from ingest.intake import HowToRead, examine
from ingest.parsed import UnreadableError
from ingest.rejects import Envelope
from schemas.batch import Mode
from tests.unit.ingest.city import KNOWN, LAYOUTS, NOW, read, reading

ENVELOPE = Envelope("http", "g", "/v1/readings/gas_pressure", "c", "gas_pressure", Mode.LIVE, "", NOW)


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        (b"[" + b"1," * MAX_ITEMS + b"1]", Form.JSON),
        (b"[" + b"{}," * MAX_ITEMS + b"{}]", Form.JSON),
        (b"[" + b'{"n":"x"},' * MAX_ITEMS + b"{}]", Form.SENML),
        (b"{}\n" * (MAX_ITEMS + 1), Form.NDJSON),
        (b"1\n" * (MAX_ITEMS + 1), Form.NDJSON),
        (b'{"pressure_kpa":[' + b"[]," * 2 * MAX_ITEMS + b"[]]}", Form.JSON),
        (b'{"sample_rate_hz":1,"pressure_kpa":[' + b"1," * MAX_VALUES + b"1,1]}", Form.JSON),
    ],
)
def test_more_than_enough_is_too_large(payload: bytes, form: Form) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(payload, form=form)
    assert caught.value.reason == "too_large"
    assert "in parts" in caught.value.detail


@pytest.mark.parametrize("bad", [1, {}, reading(sensor_id="XX-1"), reading(pressure_kpa="2"), reading(observed_at="x")])
def test_bad_items_are_examined_without_delay(bad: object) -> None:
    """Time for each is bounded; rejects are made one at a time, when they are stored."""
    count = 20_000
    payload = json.dumps([bad] * count).encode()
    started = time.process_time()
    outcome = examine(LAYOUTS["gas_pressure"], KNOWN["gas_pressure"], payload, HowToRead(Form.JSON, 10**8), ENVELOPE)
    took = time.process_time() - started
    assert len(outcome.faults) == count
    assert sum(record.readings for record in outcome.rejects) == count
    assert took / count < 200e-6
