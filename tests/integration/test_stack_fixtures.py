"""The fixtures themselves: servers that answer, and spaces that are apart."""

from __future__ import annotations

import paho.mqtt.client as mqtt
import pytest
from clickhouse_driver import Client
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.enums import CallbackAPIVersion

from tests.stack import Broker, Space, wait_until

pytestmark = pytest.mark.stack


def test_space_has_a_topic_and_a_database_of_its_own(space: Space) -> None:
    topic = space.topic_prefix + "readings"
    admin = AdminClient({"bootstrap.servers": space.stack.kafka_bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    delivered: list[object] = []
    producer = Producer({"bootstrap.servers": space.stack.kafka_bootstrap, "acks": "all"})
    producer.produce(topic, b"one", on_delivery=lambda error, message: delivered.append(error))
    producer.flush(30)
    assert delivered == [None]

    client = Client("127.0.0.1", port=space.stack.clickhouse_port, database=space.database)
    client.execute("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n")
    client.execute("INSERT INTO t VALUES", [(1,)])
    assert client.execute("SELECT n FROM t") == [(1,)]


def test_topics_are_made_by_nobody_but_the_test(space: Space) -> None:
    admin = AdminClient({"bootstrap.servers": space.stack.kafka_bootstrap})
    topic = space.topic_prefix + "unknown"
    assert admin.list_topics(topic, timeout=10).topics[topic].error is not None
    assert topic not in admin.list_topics(timeout=10).topics


def test_broker_keeps_acknowledged_messages_for_an_absent_session_over_kill_9(broker: Broker) -> None:
    subscriber = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id="gateway", protocol=mqtt.MQTTv311, clean_session=False
    )
    subscribed: list[int] = []
    subscriber.on_subscribe = lambda *arguments: subscribed.append(1)
    subscriber.connect("127.0.0.1", broker.port)
    subscriber.loop_start()
    subscriber.subscribe("riskstream/v1/#", qos=1)
    wait_until(lambda: subscribed, "subscribed")
    subscriber.disconnect()
    subscriber.loop_stop()

    device = mqtt.Client(CallbackAPIVersion.VERSION2)
    device.connect("127.0.0.1", broker.port)
    device.loop_start()
    sent = [device.publish("riskstream/v1/rainfall/r-1", str(n), qos=1) for n in range(1500)]
    for message in sent:
        message.wait_for_publish(30)
    device.loop_stop()
    broker.kill()
    broker.start()

    received: set[int] = set()
    subscriber.on_message = lambda client, data, message: received.add(int(message.payload))
    subscriber.connect("127.0.0.1", broker.port)
    subscriber.loop_start()
    wait_until(lambda: len(received) == 1500, "all acknowledged messages received")
    subscriber.disconnect()
    subscriber.loop_stop()
