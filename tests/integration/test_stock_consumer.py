"""A department's own consumer: stock confluent-kafka, schemas from the HTTP gateway, CloudEvents headers."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import DeserializingConsumer, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import StringDeserializer

from riskstream.kafka_topics import make_topics, plan
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Signal
from schemas.topics import load_topics
from tests.integration.gateways import running, settings_of
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

AT = 1_790_000_000_000
METHANE = Signal(
    "s1", "gas.methane.high", 1, 1, "gas_concentration", "GC-1", "city/north/mill/row/g1", "HOLE-1", "raised",
    Level.ORANGE, Level.NONE, AT, AT, 1, "a1", 40.0, '{"value": 40.0}', "live", 0, 0, 0,
)  # fmt: skip
COUPLED = Signal(
    "c1", "coupled.gas-in-chamber", 1, 1, "", "", "city/north/mill/row/g1", "", "raised", Level.RED, Level.NONE,
    AT, AT + 1, 1, "c1", float("nan"), '{"signals": []}', "live", 0, 0, 0, type="coupling", sensors=["GC-1", "ML-1"],
    assets=["HOLE-1"], contributing=["a1"], departments=["gas", "flood", "emergency"],
)  # fmt: skip
LOG = [
    METHANE,
    COUPLED,
    dataclasses.replace(METHANE, signal_id="s2", transition="changed", level=Level.RED, previous_level=Level.ORANGE,
                        at=AT + 60_000, sequence=2),
    dataclasses.replace(METHANE, signal_id="s3", transition="cleared", level=Level.NONE, previous_level=Level.RED,
                        at=AT + 120_000, sequence=3),
]  # fmt: skip


def test_a_stock_consumer_reads_the_alerts_of_its_department(space: Space, tmp_path: Path) -> None:
    settings = settings_of(space.environment)
    make_topics(settings, plan(settings, list(load_topics(load_kinds(), load_departments()).values())))
    producer = Producer(producer_config(settings))
    for signal in LOG:
        producer.produce(topic_name(settings, "signals"), signal.encode(), partition=0)
    assert producer.flush(30) == 0
    with (
        running("lifecycle", space.environment, tmp_path),
        running("http-gateway", space.environment, tmp_path) as gateway,
    ):
        gateway.wait_ready()
        registry = f"http://127.0.0.1:{gateway.http_port}"
        messages = consumed(settings, registry, "alerts.gas", 5)
        told = [(one.value()["alert_id"], one.value()["event"], one.value()["level"]) for one in messages]
        assert told == [
            ("a1", "raised", "orange"), ("c1", "raised", "red"), ("a1", "linked", "orange"), ("a1", "changed", "red"),
            ("a1", "cleared", "red"),
        ]  # fmt: skip
        assert all(one.key() == one.value()["alert_id"] for one in messages)
        coupled = messages[1].value()
        assert (coupled["type"], coupled["lead_department"]) == ("coupling", "gas")
        assert coupled["departments"] == ["gas", "flood", "emergency"]
        assert coupled["title"]["en"] == "Gas in a flooded or closed chamber"
        assert (coupled["sensors"], coupled["assets"]) == (["GC-1", "ML-1"], ["HOLE-1"])
        linked, cleared = messages[2].value(), messages[4].value()
        assert (linked["part_of"], linked["sequence"]) == (["c1"], 2)
        assert (cleared["part_of"], cleared["sequence"], cleared["cleared"]) == (["c1"], 4, True)
        assert coupled["onset_at"] == datetime.fromtimestamp(AT / 1000, UTC)
        # each department that is named has it in its own topic; the others have nothing of it
        assert [one.value()["alert_id"] for one in consumed(settings, registry, "alerts.flood", 1)] == ["c1"]
        assert len(consumed(settings, registry, "alerts.emergency", 5)) == 5
        assert len(consumed(settings, registry, "alerts.current", 5)) == 5

    headers = {name: value.decode() for name, value in messages[1].headers()}
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "c1/1",
        "ce_type": "riskstream.alert.raised",
        "ce_source": "/riskstream/rules/coupled.gas-in-chamber",
        "ce_subject": "city/north/mill/row/g1",
        "ce_time": "2026-09-21T14:13:20.001Z",
        "content-type": "application/avro",
    }


def consumed(settings: Settings, registry: str, topic: str, count: int) -> list[Message]:
    """The first messages of a topic, as a department's program reads them."""
    client = SchemaRegistryClient({"url": registry})
    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": f"{settings.topic_prefix}department-of-{topic}",
            "auto.offset.reset": "earliest",
            "key.deserializer": StringDeserializer("utf_8"),
            "value.deserializer": AvroDeserializer(client),
        }
    )
    found: list[Message] = []

    def all_there() -> bool:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None
            found.append(message)
        return len(found) >= count

    try:
        consumer.subscribe([topic_name(settings, topic)])
        wait_until(all_there, f"{count} messages in {topic}, not {len(found)}")
        assert consumer.poll(0.5) is None
    finally:
        consumer.close()
    return found
