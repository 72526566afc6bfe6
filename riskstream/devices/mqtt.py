"""Devices over MQTT 5, QoS 1: many devices share a few connections, every PUBACK is counted."""

from __future__ import annotations

import threading
import time
import zlib
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from riskstream.devices.counts import TransportCounts
from riskstream.devices.transport import Endpoints, Item, TransportError
from schemas.batch import Mode

TOPIC = "riskstream/v1/{kind}/{sensor_id}"
NO_SUBSCRIBERS = 0x10


class MqttTransport:
    """A Transport over `connections` MQTT sessions; each has at most `in_flight` messages unacknowledged.

    A lost connection is made again and what is unacknowledged sent again. Waiting longer than `patience_s` for any
    acknowledgement raises TransportError. A message that the broker acknowledged but had no subscriber for is
    lost: it counts as rejected, `no_matching_subscribers`.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        client_id: str,
        mode: Mode = Mode.LIVE,
        run_id: str = "",
        connections: int = 4,
        in_flight: int = 500,
        patience_s: float = 30,
    ) -> None:
        self.counts = TransportCounts()
        self._patience_s = patience_s
        self._lock = threading.Lock()
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if mode is not Mode.LIVE or run_id:
            properties.UserProperty = [("riskstream-mode", mode.value), ("riskstream-run-id", run_id)]
        self._sessions = [
            _Session(endpoints, f"{client_id}-{n}", in_flight, self.counts, self._lock, properties)
            for n in range(connections)
        ]
        for session in self._sessions:
            session.connect(patience_s)

    def put(self, kind: str, sensor_id: str, items: list[Item], readings: int) -> None:
        payload = orjson.dumps(items[0] if len(items) == 1 else items)
        # one device stays on one connection, so its messages keep their order
        session = self._sessions[zlib.crc32(sensor_id.encode()) % len(self._sessions)]
        with self._lock:
            self.counts.sent += readings
            self.counts.messages += 1
            self.counts.by_kind[kind] += readings
        session.publish(TOPIC.format(kind=kind, sensor_id=sensor_id), payload, readings, self._patience_s)

    def flush(self) -> None:
        """Nothing is gathered: each message left at once."""

    def finish(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for session in self._sessions:
            session.drain(deadline)
        for session in self._sessions:
            session.close()


class _Session:
    def __init__(
        self,
        endpoints: Endpoints,
        client_id: str,
        in_flight: int,
        counts: TransportCounts,
        lock: threading.Lock,
        properties: Properties,
    ) -> None:
        self._properties = properties
        self._address = f"{endpoints.mqtt_host}:{endpoints.mqtt_port}"
        self._endpoints = endpoints
        self._counts, self._lock = counts, lock
        self._limit = in_flight
        self._free = threading.Condition(lock)
        self._waiting: dict[int, int] = {}  # message id -> readings
        self._early: dict[int, ReasonCode] = {}  # acknowledged before `publish` returned its message id
        self._unsettled = 0
        self._connected = threading.Event()
        self._refused: str | None = None
        self._connects = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(in_flight)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 5)
        if endpoints.mqtt_username:
            self._client.username_pw_set(endpoints.mqtt_username, endpoints.mqtt_password)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish

    def connect(self, timeout_s: float) -> None:
        try:
            self._client.connect(self._endpoints.mqtt_host, self._endpoints.mqtt_port, 30)
        except OSError as error:
            raise TransportError(f"MQTT broker at {self._address}: {error.strerror or error}") from error
        self._client.loop_start()
        if not self._connected.wait(timeout_s):
            self.close()
            raise TransportError(f"MQTT broker at {self._address}: {self._refused or 'no answer to CONNECT'}")

    def publish(self, topic: str, payload: bytes, readings: int, patience_s: float) -> None:
        with self._free:
            while self._unsettled >= self._limit:
                if not self._free.wait(patience_s):
                    raise TransportError(
                        f"MQTT broker at {self._address}: no acknowledgement for {patience_s:g} s"
                        f" ({self._refused or 'connected'})"
                    )
            self._unsettled += 1
        # paho holds a lock of its own while it calls on_publish, so ours must be free here
        message = self._client.publish(topic, payload, qos=1, properties=self._properties)
        with self._free:
            reason = self._early.pop(message.mid, None)
            if reason is None:
                self._waiting[message.mid] = readings
            else:
                self._settle(reason, readings)

    def drain(self, deadline: float) -> None:
        with self._free:
            while self._unsettled and (left := deadline - time.monotonic()) > 0:
                self._free.wait(left)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _settle(self, reason: ReasonCode, readings: int) -> None:
        self._unsettled -= 1
        if reason.value == NO_SUBSCRIBERS or reason.is_failure:
            self._counts.rejected[reason.getName().lower().replace(" ", "_")] += readings
        else:
            self._counts.acknowledged += readings
        self._free.notify_all()

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        with self._free:
            readings = self._waiting.pop(mid, None)
            if readings is None:
                self._early[mid] = reason
            else:
                self._settle(reason, readings)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refused = f"refused: {reason.getName()}"
            return
        self._refused = None
        # a broker ends the connection when more is in flight than its Receive Maximum
        with self._free:
            self._limit = min(self._limit, getattr(properties, "ReceiveMaximum", 65_535))
            self._connects += 1
            if self._connects > 1:
                self._counts.resent += len(self._waiting)
        self._connected.set()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._refused = f"disconnected: {reason.getName()}"
