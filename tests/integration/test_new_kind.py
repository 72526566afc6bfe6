"""A kind that is added between two starts: its readings are judged and stored, though the services come back at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.kafka import producer_config, topic_name
from schemas.batch import Batch, Mode, encode_batch
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.registry import Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.topics import load_topics
from sinks.migrate import migrate
from tests.integration.gateways import running, settings_of
from tests.integration.test_recordings import KIND
from tests.stack import Space, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


def test_a_kind_added_between_two_starts_is_judged_and_stored(space: Space, tmp_path: Path) -> None:
    without = dict(space.environment)
    kinds_dir = tmp_path / "kinds"
    kinds_dir.mkdir()
    (kinds_dir / "machine_temperature.avsc").write_text(json.dumps(KIND))
    environment = {**without, "RISKSTREAM_KINDS_DIRS": str(kinds_dir)}
    settings = settings_of(environment)
    kinds = load_kinds(kinds_dir)
    for one in (load_kinds(), kinds):
        topics = load_topics(one, load_departments())
        make_topics(settings.model_copy(update={"partitions": 1}), plan(settings, list(topics.values())))
        migrate(settings, one)
    sensor = Sensor("m", "machine_temperature", "m", "c/d", "maintenance")
    rows = {SENSORS_TOPIC: Difference(1, 0, 0, {"m": sensor}), ASSETS_TOPIC: Difference(0, 0, 0, {})}
    publish(settings, lambda _: rows, author="test")

    with running("processor", without, tmp_path) as processor, running("sink", without, tmp_path) as sink:
        for service in (processor, sink):
            service.wait_ready()
        assert [service.stop() for service in (processor, sink)] == [0, 0]
    with running("processor", environment, tmp_path) as processor, running("sink", environment, tmp_path) as sink:
        kind = kinds["machine_temperature"]
        batch = Batch(
            kind.name, "g", "test", Mode.LIVE, "", 0, ["m"], np.zeros(3, np.int32), np.arange(3) * 1000,
            np.zeros(3, np.bool_), {"temperature_f": np.arange(3.0)}, 1,
        )  # fmt: skip
        producer = Producer(producer_config(settings))
        producer.produce(topic_name(settings, kind.topic), encode_batch(kind, batch), partition=0)
        assert producer.flush(20) == 0
        wait_until(
            lambda: processor.metric("riskstream_processor_readings_total", kind=kind.name, outcome="judged") == 3,
            "three readings judged",
            60,
        )
        from clickhouse_driver import Client

        client = Client("127.0.0.1", port=settings.clickhouse_port, database=settings.clickhouse_database)
        wait_until(
            lambda: client.execute("SELECT count() FROM readings_machine_temperature") == [(3,)], "three rows", 60
        )
        client.disconnect()
