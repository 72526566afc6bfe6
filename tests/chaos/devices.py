"""Devices over real MQTT and HTTP, which send what was not acknowledged again until it is."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.chaos.ledger import FIELD, KIND, Key, Ledger, Reading


class Devices(Protocol):
    """A group of devices."""

    rate: float

    def start(self) -> None: ...

    def stop(self, wait_s: float) -> int:
        """Make no more readings, wait for acknowledgements; returns how many readings are left without one."""


class MqttDevices:
    """Sensors behind one MQTT connection, QoS 1; what the broker has not acknowledged is sent again by the client."""

    def __init__(self, ledger: Ledger, port: int, sensors: Sequence[str], rate: float) -> None:
        self.rate = rate
        self._ledger = ledger
        self._port = port
        self._sensors = list(sensors)
        self._waiting: dict[int, Key] = {}
        self._early: set[int] = set()
        self._stopping = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, f"device-{secrets.token_hex(6)}", protocol=MQTTv5)
        self._client.max_inflight_messages_set(1000)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_publish = self._on_publish
        self._thread = threading.Thread(target=self._run, name="mqtt devices", daemon=True)

    def start(self) -> None:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self._port, properties=properties)
        self._client.loop_start()
        self._thread.start()

    def stop(self, wait_s: float) -> int:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        deadline = time.monotonic() + wait_s
        while self._unanswered() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()
        return self._unanswered()

    def publish(self, reading: Reading) -> None:
        payload = json.dumps({"observed_at": reading.at, FIELD: reading.value})
        mid = self._client.publish(f"riskstream/v1/{KIND}/{reading.sensor}", payload, qos=1).mid
        self._waiting[mid] = reading.key
        if mid in self._early:  # its acknowledgement overtook us
            self._early.discard(mid)
            self._waiting.pop(mid, None)
            self._ledger.acknowledge([reading.key])

    def raw(self, topic: str, payload: bytes) -> None:
        """Publish anything, and wait for the acknowledgement."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(20)

    def _run(self) -> None:
        for sensor in paced(self._sensors, lambda: self.rate, self._stopping):
            self.publish(self._ledger.next(sensor))

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        key = self._waiting.pop(mid, None)
        if reason is not None and reason.is_failure:
            self._ledger.note(f"PUBACK {reason}")
        elif key is None:
            self._early.add(mid)
        else:
            self._ledger.acknowledge([key])

    def _unanswered(self) -> int:
        for mid in list(self._early):
            key = self._waiting.pop(mid, None)
            if key is not None:
                self._early.discard(mid)
                self._ledger.acknowledge([key])
        return len(self._waiting)


class HttpDevices:
    """Senders over HTTP, `senders` of them side by side, each with sensors of its own and `batch` readings a post."""

    def __init__(
        self, ledger: Ledger, port: int, sensors: Sequence[str], rate: float, batch: int = 10, senders: int = 3
    ) -> None:
        self.rate = rate
        self.timeout_s = 15.0
        self._ledger = ledger
        self._port = port
        self._batch = batch
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._left = 0
        self._threads = [
            threading.Thread(target=self._run, args=(list(sensors[n::senders]), senders), daemon=True)
            for n in range(senders)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, wait_s: float) -> int:
        self._stopping.set()
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._giving_up.set()
        for thread in self._threads:
            thread.join(self.timeout_s + 5)
        return self._left

    def _run(self, sensors: list[str], senders: int) -> None:
        waiting: list[Reading] = []
        connection = self._connection()
        for sensor in paced(sensors, lambda: self.rate / senders, self._stopping):
            waiting.append(self._ledger.next(sensor))
            if len(waiting) >= self._batch:
                connection = self._deliver(connection, waiting)
                waiting = []
        if waiting:
            connection = self._deliver(connection, waiting)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=self.timeout_s)

    def _deliver(self, connection: http.client.HTTPConnection, readings: list[Reading]) -> http.client.HTTPConnection:
        """Post until it is acknowledged, over a new connection after each failure."""
        body = json.dumps([{"sensor_id": r.sensor, "observed_at": r.at, FIELD: r.value} for r in readings])
        first = True
        while True:
            if not first:
                self._ledger.sent_again(len(readings))
            first = False
            try:
                status, answer = post(connection, f"/v1/readings/{KIND}", body)
            except (OSError, http.client.HTTPException) as error:
                self._ledger.note(type(error).__name__)
                connection.close()
                connection = self._connection()
            else:
                self._ledger.note(str(status))
                if status == 200:
                    take_answer(self._ledger, readings, answer)
                    return connection
            if self._giving_up.wait(0.1):
                self._left += len(readings)
                return connection


def post(
    connection: http.client.HTTPConnection, path: str, body: str | bytes, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and decoded answer. Raises OSError, http.client.HTTPException."""
    connection.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
    response = connection.getresponse()
    text = response.read()
    return response.status, json.loads(text) if text else {}


def take_answer(ledger: Ledger, readings: Sequence[Reading], answer: Any) -> None:
    """Note what a 200 says of each reading of a post."""
    rejected = {one["index"]: one["reason"] for one in answer["rejected"]}
    assert answer["accepted"] == len(readings) - len(rejected), answer
    for number, reading in enumerate(readings):
        if number in rejected:
            ledger.refuse(reading.key, rejected[number])
    ledger.acknowledge(reading.key for number, reading in enumerate(readings) if number not in rejected)


def paced(sensors: Sequence[str], rate: Any, stopping: threading.Event) -> Any:
    """The sensors in turn, `rate()` of them a second, until `stopping`; after a pause it does not catch up."""
    due = time.monotonic()
    while not stopping.is_set():
        for sensor in sensors:
            if stopping.is_set():
                return
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
            elif now - due > 0.5:
                due = now
            due += 1 / rate()
            yield sensor
