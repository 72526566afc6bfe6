"""One persistent MQTT session: reads messages, and acknowledges them in the order of receipt, after Kafka did.

The session outlives its connections: what was not acknowledged when one ends, the broker sends again on the next.
All calls are made from one thread, which watches `socket` and calls `read`, `write` and `keep` (paho's external loop).
"""

from __future__ import annotations

import logging
import socket as sockets
import time
from collections import deque
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.mqtt_intake import Message
from ingest.mqtt_topics import SHARED_FILTER
from ingest.tickets import Ticket
from runtime import metrics
from runtime.settings import Settings

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
SESSION_EXPIRY_S = 7 * 24 * 3600
CONNECT_TIMEOUT_S = 5.0
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 10.0
CHUNK = 500
"""Most messages that are read before they are validated together."""
CHUNK_BYTES = 2_000_000
"""Most bytes of them; a message more may come, however long it is."""


class _Chunk:
    """Messages that share a ticket; `connection` is the one they came over: no other one knows their ids."""

    __slots__ = ("connection", "mids", "settled", "started")

    def __init__(self, connection: int, mids: list[int]) -> None:
        self.connection = connection
        self.mids = mids
        self.settled = False
        self.started = time.monotonic()


class MqttSession:
    """Session `number` of a gateway."""

    def __init__(self, settings: Settings, number: int) -> None:
        base = settings.mqtt_client_id or f"riskstream-{settings.instance}"
        self.client_id = f"{base}-{number}"
        self.subscribed = False
        self._address = (settings.mqtt_host, settings.mqtt_port)
        self._messages: list[Message] = []
        self._chunks: deque[_Chunk] = deque()
        self._connection = 0
        self._backoff = FIRST_BACKOFF_S
        self._next_try = 0.0
        self._failed: str | None = None
        self._leaving = False
        self._seconds = metrics.INGEST_SECONDS.labels("mqtt")
        self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        self._properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._properties.ReceiveMaximum = settings.mqtt_receive_maximum
        client = Client(CallbackAPIVersion.VERSION2, self.client_id, protocol=MQTTv5, manual_ack=True)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if settings.mqtt_username:
            client.username_pw_set(settings.mqtt_username, settings.mqtt_password.get_secret_value())
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        # being told about pending writes keeps paho from writing each acknowledgement at once, one system call each
        client.on_socket_register_write = lambda *_: None
        self._client = client

    @property
    def socket(self) -> sockets.socket | None:
        found = self._client.socket()
        return found if isinstance(found, sockets.socket) else None

    @property
    def waiting(self) -> bool:
        """Are there messages that Kafka has not acknowledged?"""
        return bool(self._chunks)

    def connect_if_due(self) -> None:
        """Connect, unless connected or within the back-off; blocks at most CONNECT_TIMEOUT_S."""
        if self.socket is not None or time.monotonic() < self._next_try:
            return
        self._begin_again()
        try:
            self._client.connect(*self._address, KEEPALIVE_S, clean_start=False, properties=self._properties)
        except (OSError, MQTTException) as error:
            self._later(f"cannot connect to {self._address[0]}:{self._address[1]}: {error}")

    def read(self) -> list[Message]:
        """What has arrived: up to CHUNK messages or CHUNK_BYTES, at times a few more."""
        messages, size = self._messages, 0
        while len(messages) < CHUNK and size < CHUNK_BYTES:
            before = len(messages)
            self._client.loop_read()
            if len(messages) == before:
                break
            size += sum(len(message.payload) for message in messages[before:])
        self._messages = []
        return messages

    def open_ticket(self, messages: list[Message]) -> Ticket:
        """The ticket of messages that were just read; they are acknowledged after it and all before it are done."""
        chunk = _Chunk(self._connection, [message.mid for message in messages if message.mid])
        self._chunks.append(chunk)

        def settled(ticket: Ticket) -> None:
            if ticket.error is None:
                self._seconds.observe(time.monotonic() - chunk.started)
                chunk.settled = True
            elif chunk.connection == self._connection:
                self._failed = f"Kafka did not acknowledge: {ticket.error}"

        return Ticket(settled)

    def acknowledge(self) -> None:
        """Acknowledge to the broker what is done; a chunk that failed ends the connection instead."""
        if self._failed is not None:
            self.drop(self._failed, "kafka")
            return
        while self._chunks and self._chunks[0].settled:
            chunk = self._chunks.popleft()
            if chunk.connection == self._connection:
                for mid in chunk.mids:
                    self._client.ack(mid, 1)

    def write(self) -> None:
        if self._client.want_write():
            self._client.loop_write()

    def keep(self) -> None:
        """Pings, and notices of a dead connection; to be called about every second."""
        if self.socket is not None:
            self._client.loop_misc()

    def drop(self, why: str, cause: str) -> None:
        """End the connection without acknowledging: the broker sends everything in flight again on the next one."""
        metrics.INGEST_MQTT_RECONNECTS.labels(cause).inc()
        self._disconnect()
        self._later(why)

    def close(self) -> None:
        """End the connection in order; the session, with its queue, stays at the broker."""
        self._disconnect()

    def _disconnect(self) -> None:
        self._leaving = True
        if self.socket is not None:
            self._client.disconnect()
            self._client.loop_write()
        self._leaving = False
        self._begin_again()

    def _begin_again(self) -> None:
        self._connection += 1
        self._chunks.clear()
        self._messages = []
        self._failed = None
        self.subscribed = False

    def _later(self, why: str) -> None:
        if time.monotonic() < self._next_try:
            return
        log.warning("%s: %s; next try in %.1f s", self.client_id, why, self._backoff)
        self._next_try = time.monotonic() + self._backoff
        self._backoff = min(2 * self._backoff, LAST_BACKOFF_S)

    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._later(f"the broker refuses the connection: {reason}")
            return
        log.info("%s: connected (%s session)", self.client_id, "existing" if flags.session_present else "new")
        client.subscribe(SHARED_FILTER, options=SubscribeOptions(qos=1))

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self.drop(f"the broker refuses the subscription: {', '.join(map(str, reasons))}", "subscribe")
            return
        self.subscribed = True
        self._backoff = FIRST_BACKOFF_S

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self._leaving:
            metrics.INGEST_MQTT_RECONNECTS.labels("connection").inc()
            self._begin_again()
            self._later(f"connection lost: {reason}")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        properties = vars(message.properties).get("UserProperty", ()) if message.properties else ()
        mid = message.mid if message.qos else 0
        self._messages.append(Message(mid, message.topic, bytes(message.payload), tuple(properties)))
