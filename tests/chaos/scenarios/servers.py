"""Faults of Kafka and of the MQTT broker, and restarts of everything."""

from __future__ import annotations

import json
import threading
import time

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.chaos.ledger import FIELD, KIND
from tests.chaos.run import Run
from tests.chaos.suite import scenario
from tests.stack import wait_until

ALL_HOPS = "all"
DEVICE_BROKER = "device–broker"


@scenario("kill −9 of Kafka and restart", ALL_HOPS)
def kill_kafka(run: Run) -> None:
    run.start_pipeline()
    run.mqtt_devices()
    run.http_devices()
    run.load()
    for _ in range(max(1, run.pace.times // 7)):
        run.servers.kafka.kill()
        run.injected("kill −9 of Kafka")
        run.load(1)
        run.servers.kafka.start()
        run.load()
    run.recovering(300)


@scenario("Kafka away: 503, and nothing acknowledged is lost", ALL_HOPS)
def kafka_away(run: Run) -> None:
    run.start_pipeline()
    run.mqtt_devices()
    run.http_devices()
    run.load()
    run.servers.kafka.freeze()
    run.injected("Kafka stands still")
    time.sleep(min(15.0, run.pace.away_s))
    run.servers.kafka.kill()
    run.injected("kill −9 of Kafka")
    refused = run.ledger.statuses.get("503", 0)
    before = run.ledger.statuses.get("200", 0)
    time.sleep(run.pace.away_s)
    said = run.ledger.statuses.get("503", 0) - refused
    run.require(said, "posts answered with 503", said)
    accepted = run.ledger.statuses.get("200", 0) - before
    assert not accepted, f"{accepted} posts were acknowledged while Kafka was away"
    run.servers.kafka.start()
    run.injected(f"away for {run.pace.away_s:.0f} s")
    run.recovering(300)


@scenario("Kafka stopped (SIGSTOP) and continued", ALL_HOPS)
def frozen_kafka(run: Run) -> None:
    """Requests are under way when it stops, and their answers come after everybody's patience has ended."""
    run.start_pipeline()
    run.mqtt_devices()
    run.http_devices()
    run.load()
    run.servers.kafka.freeze()
    run.injected("Kafka stands still")
    time.sleep(20)
    run.servers.kafka.thaw()
    run.load()
    run.recovering(300)


@scenario("kill −9 of the MQTT broker with a backlog", DEVICE_BROKER)
def kill_broker_with_backlog(run: Run) -> None:
    """No gateway runs: the broker alone has what it acknowledged when it dies."""
    run.start_pipeline()
    run.mqtt_devices(run.pace.rate)
    run.load(2)
    run.end("mqtt-gateway")
    before = len(run.ledger.snapshot())
    run.load()
    backlog = len(run.ledger.snapshot()) - before
    run.require(backlog > 100, "readings acknowledged by the broker while no gateway ran", backlog)
    run.broker.kill()
    run.injected("kill −9 of the broker")
    run.broker.start()
    run.load(2)
    run.start("mqtt-gateway")
    run.recovering()


@scenario("MQTT broker restarted with a backlog, and 1,000 devices that reconnect at once", DEVICE_BROKER)
def a_thousand_devices_reconnect(run: Run) -> None:
    run.start_pipeline()
    run.mqtt_devices(run.pace.rate)
    run.load(2)
    run.end("mqtt-gateway")
    run.load()
    crowd = Crowd(run, 1000)
    try:
        wait_until(lambda: crowd.connected >= 1000, "1,000 devices are connected", 120)
        crowd.each_sends_one()
        wait_until(lambda: not crowd.waiting, "each has its acknowledgement", 60)
        run.broker.stop()
        run.injected("the broker restarted with a backlog")
        wait_until(lambda: crowd.connected == 0, "all devices have lost it", 60)
        run.broker.start()
        crowd.each_sends_one()
        wait_until(lambda: crowd.connected >= 1000, "all devices are back", 120)
        run.injected("devices that reconnected at once", crowd.connected)
        wait_until(lambda: not crowd.waiting, "each has its acknowledgement", 120)
        run.start("mqtt-gateway")
        run.recovering()
    finally:
        crowd.leave()


class Crowd:
    """Many devices with a connection each, served by four threads."""

    def __init__(self, run: Run, count: int) -> None:
        self.waiting: dict[tuple[int, int], tuple[str, int]] = {}
        self._up: set[int] = set()
        self._run = run
        self._stopping = threading.Event()
        self._clients = [self._client(number) for number in range(count)]
        self._threads = [
            threading.Thread(target=self._serve, args=(self._clients[n::4],), daemon=True) for n in range(4)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> int:
        return len(self._up)

    def each_sends_one(self) -> None:
        sensors = self._run.ledger.sensors
        for number, client in enumerate(self._clients):
            reading = self._run.ledger.next(sensors[number % len(sensors)])
            payload = json.dumps({"observed_at": reading.at, FIELD: reading.value})
            mid = client.publish(f"riskstream/v1/{KIND}/{reading.sensor}", payload, qos=1).mid
            self.waiting[number, mid] = reading.key

    def leave(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)

    def _client(self, number: int) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, f"{self._run.id}-crowd-{number}", protocol=MQTTv5)

        def on_connect(*_: object) -> None:
            self._up.add(number)

        def on_disconnect(*_: object) -> None:
            self._up.discard(number)

        def on_publish(_client: object, _data: object, mid: int, *_: object) -> None:
            # publish() returns the id before this thread can see the answer, but not always before we can
            while (key := self.waiting.pop((number, mid), None)) is None and not self._stopping.is_set():
                time.sleep(0.001)
            if key is not None:
                self._run.ledger.acknowledge([key])

        client.on_connect, client.on_disconnect, client.on_publish = on_connect, on_disconnect, on_publish
        return client

    def _serve(self, clients: list[Client]) -> None:
        """Paho's own loop waits in a thread each; this one turns for many."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        while not self._stopping.is_set():
            for client in clients:
                if client.socket() is None:
                    try:
                        client.connect("127.0.0.1", self._run.broker.part.port, properties=properties)  # type: ignore[attr-defined]
                    except OSError:
                        time.sleep(0.05)
                        continue
                client.loop_read()
                if client.want_write():
                    client.loop_write()
                client.loop_misc()
            time.sleep(0.01)
        for client in clients:
            client.disconnect()


@scenario("rolling restart of everything", ALL_HOPS, partitions=4)
def rolling_restart(run: Run) -> None:
    """Services one after the other by SIGTERM, as an upgrade does it, then the servers too."""
    services = ("mqtt-gateway", "http-gateway", "processor", "lifecycle", "sink")
    run.start_pipeline()
    run.mqtt_devices()
    run.http_devices()
    run.load()
    for name in services:
        run.end(name)
        run.injected(f"restart of {name}")
        run.start(name)
        run.load(2)
    run.broker.stop()
    run.broker.start()
    run.injected("restart of the MQTT broker")
    run.load(2)
    run.servers.clickhouse.stop()
    run.servers.clickhouse.start()
    run.injected("restart of ClickHouse")
    run.load(2)
    run.servers.kafka.stop()
    run.servers.kafka.start()
    run.injected("restart of Kafka")
    run.load(4)
    run.recovering(300)
