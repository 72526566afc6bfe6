"""The MQTT gateway as a process on the real Mosquitto and Kafka: the contract of docs/mqtt.md."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from ingest.mqtt_intake import Message
from ingest.mqtt_session import MqttSession
from runtime.settings import Settings
from schemas.batch import Mode
from tests.integration.docs_examples import DOCS_SENSORS, examples, run_example
from tests.integration.gateways import Service, make_ready, published, running, settings_of
from tests.stack import Broker, Space, wait_until

pytestmark = pytest.mark.stack

SENSORS = {"GP-0001": "gas_pressure", "GP-0002": "gas_pressure", "BS-0001": "bridge_strain", "RF-0001": "rainfall"}


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def environment(space: Space, broker: Broker) -> dict[str, str]:
    return {**space.environment, **broker.environment}


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    settings = settings_of(environment)
    make_ready(settings, SENSORS | DOCS_SENSORS)
    return settings


@pytest.fixture
def gateway(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Service]:
    with running("mqtt-gateway", environment, tmp_path) as service:
        service.wait_ready()
        yield service


@contextmanager
def device(port: int) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(client: Client, topic: str, payload: bytes | str) -> None:
    """Publish and wait for the broker's acknowledgement."""
    client.publish(topic, payload, qos=1).wait_for_publish(10)


TOPIC = "riskstream/v1/gas_pressure/GP-0001"


def reading(at: int, pressure: float = 2.0) -> str:
    return json.dumps({"observed_at": at, "pressure_kpa": pressure})


def test_every_form_reaches_kafka(gateway: Service, broker: Broker, settings: Settings) -> None:
    at = now() - 5000
    topic = "riskstream/v1/gas_pressure/GP-0001"
    with device(broker.port) as client:
        send(client, topic, reading(at))
        send(client, topic, f"[{reading(at + 1)},{reading(at + 2)}]")
        send(client, topic, gzip.compress(reading(at + 3).encode()))
        samples = {"observed_at": at, "sample_rate_hz": 100, "strain_ue": [1, 2, 3.5]}
        send(client, "riskstream/v1/bridge_strain/BS-0001", json.dumps(samples))
        senml = [{"bt": at / 1000, "n": "rain_mm", "u": "mm", "v": 0.2}]
        send(client, "riskstream/v1/rainfall/RF-0001", json.dumps(senml))
    wait_until(lambda: len(published(settings).readings) >= 8, "eight readings")
    found = published(settings)
    assert sorted(found.readings, key=lambda r: (r[0], r[1])) == [
        ("BS-0001", at, {"strain_ue": 1.0}),
        ("BS-0001", at + 10, {"strain_ue": 2.0}),
        ("BS-0001", at + 20, {"strain_ue": 3.5}),
        *(("GP-0001", at + i, {"pressure_kpa": 2.0}) for i in range(4)),
        ("RF-0001", at, {"rain_mm": 0.2}),
    ]
    assert found.rejected == []
    assert {(batch.source, batch.mode) for batch in found.batches} == {("mqtt", Mode.LIVE)}


def test_a_burst_arrives_whole_and_once(gateway: Service, broker: Broker, settings: Settings) -> None:
    start = now() - 100_000
    with device(broker.port) as client:
        for i in range(3000):
            last = client.publish("riskstream/v1/gas_pressure/GP-0001", reading(start + i), qos=1)
        last.wait_for_publish(20)
    wait_until(lambda: len(published(settings).readings) == 3000, "all readings")
    times = [at for _, at, _ in published(settings).readings]
    assert sorted(times) == list(range(start, start + 3000))


BAD = [
    ("riskstream/v1/gas_pressure", reading(1_750_000_000_000), "topic_mismatch"),
    ("riskstream/v1/gas_pressure/GP-0001/more", reading(1_750_000_000_000), "topic_mismatch"),
    ("riskstream/v1/gas_pressure/", reading(1_750_000_000_000), "topic_mismatch"),
    ("riskstream/v1/tank_level/GP-0001", reading(1_750_000_000_000), "unknown_kind"),
    ("riskstream/v1/rainfall/GP-0001", '{"observed_at": 1750000000000, "rain_mm": 1}', "wrong_kind"),
    ("riskstream/v1/gas_pressure/GP-9999", reading(1_750_000_000_000), "unknown_sensor"),
    (TOPIC, '{"sensor_id":"GP-0002","observed_at":1750000000000,"pressure_kpa":1}', "topic_mismatch"),
    (TOPIC, '{"observed_at":', "unreadable"),
    (TOPIC, "", "empty"),
    (TOPIC, "[]", "empty"),
]


def test_bad_messages_are_kept_and_acknowledged(
    settings: Settings, environment: dict[str, str], broker: Broker, tmp_path: Path
) -> None:
    with running("mqtt-gateway", environment, tmp_path) as gateway, device(broker.port) as client:
        gateway.wait_ready()
        for topic, payload, _ in BAD:
            send(client, topic, payload)
        wait_until(lambda: len(published(settings).rejected) == len(BAD), "the rejects")
        assert gateway.stop() == 0
    kept = published(settings).rejected
    assert sorted((r.origin, r.original.decode(), r.reason) for r in kept) == sorted(BAD)
    assert {r.source for r in kept} == {"mqtt"}
    with running("mqtt-gateway", environment, tmp_path) as gateway, device(broker.port) as client:
        gateway.wait_ready()
        send(client, TOPIC, reading(now()))
        wait_until(lambda: published(settings).readings, "a good reading after them")
    assert len(published(settings).rejected) == len(BAD)  # acknowledged: the broker did not send them again


def test_nothing_is_acknowledged_while_kafka_does_not_answer(
    settings: Settings, environment: dict[str, str], broker: Broker, tmp_path: Path
) -> None:
    """Readings that the gateway took but that Kafka has not are sent again by the broker to the next gateway."""
    with running("mqtt-gateway", environment, tmp_path) as gateway:
        gateway.wait_ready()
        assert gateway.stop() == 0
    away = {**environment, "RISKSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    with running("mqtt-gateway", away, tmp_path) as gateway:
        wait_until(lambda: "Kafka cannot be reached" in gateway.health("/readyz")[1], "the reason")
        with device(broker.port) as client:
            for i in range(50):
                send(client, "riskstream/v1/gas_pressure/GP-0001", reading(1_750_000_000_000 + i))
        assert gateway.stop() == 0
    assert published(settings).readings == []
    with running("mqtt-gateway", environment, tmp_path) as gateway:
        gateway.wait_ready()
        wait_until(lambda: len(published(settings).readings) == 50, "what was sent while Kafka was away")


def test_killed_gateway_loses_nothing(
    settings: Settings, environment: dict[str, str], broker: Broker, tmp_path: Path
) -> None:
    """A kill −9 in the middle of a stream: what Kafka had not acknowledged comes again; doubles are allowed here."""
    start = now() - 100_000
    with device(broker.port) as client:
        with running("mqtt-gateway", environment, tmp_path) as gateway:
            gateway.wait_ready()
            for i in range(2000):
                last = client.publish("riskstream/v1/gas_pressure/GP-0002", reading(start + i), qos=1)
            wait_until(lambda: gateway.metric("riskstream_ingest_accepted_total") > 0, "some readings taken")
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()
        last.wait_for_publish(20)
    with running("mqtt-gateway", environment, tmp_path) as gateway:
        gateway.wait_ready()
        wait_until(lambda: len({at for _, at, _ in published(settings).readings}) == 2000, "every reading")


def test_broker_restart_is_survived(gateway: Service, broker: Broker, settings: Settings) -> None:
    broker.stop()
    wait_until(lambda: gateway.health("/readyz")[0] == 503, "not ready without a broker")
    broker.start()
    gateway.wait_ready()
    with device(broker.port) as client:
        send(client, "riskstream/v1/gas_pressure/GP-0001", reading(now()))
    wait_until(lambda: published(settings).readings, "the reading after the restart")
    assert gateway.health("/healthz")[0] == 200


def test_the_examples_of_the_docs(gateway: Service, broker: Broker, settings: Settings) -> None:
    pages = examples("mqtt.md")
    assert len(pages) == 5
    for command, _ in pages:
        run_example(command, {"MQTT_PORT": str(broker.port)})
    wait_until(lambda: len(published(settings).readings) == 7, "the readings of the examples")
    wait_until(lambda: published(settings).rejected, "the rejected one")
    assert [r.reason for r in published(settings).rejected] == ["topic_mismatch"]


def turn(session: MqttSession) -> list[Message]:
    """One turn of the gateway's loop, without Kafka: what has arrived."""
    session.connect_if_due()
    found = session.read() if session.socket is not None else []
    session.acknowledge()
    session.write()
    return found


def receive(session: MqttSession, count: int) -> list[Message]:
    found: list[Message] = []

    def enough() -> bool:
        found.extend(turn(session))
        return len(found) >= count and session.subscribed

    wait_until(enough, f"{count} messages")
    return found


def test_acknowledgements_are_in_receive_order_and_a_failure_brings_everything_again(broker: Broker) -> None:
    """Two chunks are in flight; the second one's delivery acknowledges nothing while the first one's is open."""
    session = MqttSession(settings_of({**broker.environment, "RISKSTREAM_MQTT_CLIENT_ID": "order"}), 0)
    receive(session, 0)
    with device(broker.port) as client:
        send(client, TOPIC, "1")
        first = session.open_ticket(receive(session, 1))
        send(client, TOPIC, "2")
        second = session.open_ticket(receive(session, 1))
        second.seal()
        turn(session)
        assert session.waiting
        first.settle("Kafka is away")
        assert sorted(m.payload for m in receive(session, 2)) == [b"1", b"2"]  # both, over a new connection
        assert not session.waiting
        session.drop("again, without an acknowledgement", "test")
        again = receive(session, 2)
        session.open_ticket(again).seal()
        turn(session)
        assert not session.waiting
        send(client, TOPIC, "3")
        assert [m.payload for m in receive(session, 1)] == [b"3"]
        session.drop("now only the last one is open", "test")
        assert [m.payload for m in receive(session, 1)] == [b"3"]
    session.close()
