"""The fuzz over real sockets, into the real Kafka: fewer messages than in process, and what only sockets have."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from runtime.settings import Settings
from tests.fuzz.payloads import ODD_TEXTS, Payloads
from tests.fuzz.raw_http import request, statuses
from tests.integration.gateways import KINDS, make_ready, published, running, settings_of
from tests.integration.test_bad_input import peak_megabytes
from tests.integration.test_mqtt_gateway import device
from tests.stack import Broker, Space, wait_until

pytestmark = pytest.mark.stack

SENSORS = {"GP-0001": "gas_pressure", "WN-0001": "water_network", "BS-0001": "bridge_strain"}
SEED = 1
NOW = int(time.time() * 1000)


@pytest.fixture
def settings(space: Space) -> Settings:
    settings = settings_of(space.environment)
    make_ready(settings, SENSORS)
    return settings


def test_http(settings: Settings, space: Space, tmp_path: Path) -> None:
    """3,000 connections of nearly-HTTP: answered below 500 or closed, and the gateway goes on."""
    with running("http-gateway", space.environment, tmp_path) as service:
        service.wait_ready()

        def send(number: int) -> list[int]:
            raw = request(Random(f"{SEED}/{number}"))
            found = statuses(service.http_port, raw)
            assert all(status < 500 for status in found), f"seed {SEED}, number {number}: {found} to {raw[:500]!r}"
            return found

        with ThreadPoolExecutor(16) as pool:
            counted = Counter(status for found in pool.map(send, range(3000)) for status in found)
        assert counted.keys() >= {200, 400, 404, 405, 415, 431}, counted
        good = json.dumps({"sensor_id": "GP-0001", "observed_at": NOW, "pressure_kpa": 2}).encode()
        head = b"POST /v1/readings/gas_pressure HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        assert statuses(service.http_port, head % len(good) + good, 20) == [200]
        assert peak_megabytes(service) < 200
        refused = service.metric("riskstream_ingest_refused_total")
        assert service.stop() == 0
        log = service.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    assert refused >= counted[404] + counted[405]
    assert len(published(settings).readings) == 1


def test_mqtt(settings: Settings, space: Space, broker: Broker, tmp_path: Path) -> None:
    """2,000 messages that the broker takes: each is in Kafka as readings or as a reject, and the gateway goes on."""
    sent: list[bytes] = []
    with running("mqtt-gateway", {**space.environment, **broker.environment}, tmp_path) as service:
        service.wait_ready()
        with device(broker.port) as client:
            for number in range(2000):
                random = Random(f"{SEED}/{number}")
                kind = random.choice([*SENSORS.values(), "tank"])
                sensor = random.choice(
                    [*[name for name, other in SENSORS.items() if other == kind] * 6, "?", "\ufeff", "x" * 300]
                )
                payload, _ = Payloads(random, KINDS, SENSORS, NOW, sensor).one(kind if kind in KINDS else "rainfall")
                levels = random.choice(
                    [f"{kind}/{sensor}"] * 8 + [kind, f"{kind}//{sensor}", f"{kind}/{sensor}/", "", "/" * 100]
                )
                properties = Properties(PacketTypes.PUBLISH)
                for name in random.sample(["riskstream-mode", "riskstream-run-id", "x"], random.randint(0, 2)):
                    value = random.choice(["exercise", "history", "", *[text for text in ODD_TEXTS if _is_mqtt(text)]])
                    properties.UserProperty = (name, value)
                if random.random() < 0.1:
                    properties.ContentType, properties.MessageExpiryInterval = "\u6c34", 2**32 - 1
                    properties.CorrelationData, properties.ResponseTopic = b"\x00\xff", "r"
                last = client.publish(
                    f"riskstream/v1/{levels}", payload, qos=random.choice([1, 1, 1, 2]), properties=properties
                )
                assert last.rc == MQTT_ERR_SUCCESS
                sent.append(payload)
            last.wait_for_publish(60)
        payloads = lambda: service.metric("riskstream_ingest_payloads_total")  # noqa: E731
        wait_until(lambda: payloads() >= len(sent), "every message was read", 60)
        assert payloads() == len(sent)
        accepted, rejected = (service.metric(f"riskstream_ingest_{one}_total") for one in ("accepted", "rejected"))
        assert peak_megabytes(service) < 200
        assert service.stop() == 0
        assert "Traceback" not in service.log.read_text()
    found = published(settings)
    assert len(found.readings) == accepted > 100
    assert sum(record.readings for record in found.rejected) == rejected > 500
    assert all(record.detail for record in found.rejected)


def _is_mqtt(text: str) -> bool:
    """Brokers close the connection of who sends other texts: control characters, lone surrogates."""
    return not any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in text)
