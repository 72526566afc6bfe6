"""The checks of the servers against programs that are not those servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.local.kafka import kafka_metadata
from deploy.local.mosquitto import mqtt_connect
from deploy.local.ports import free_port


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that answers one connection with these bytes and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def test_kafka_nobody_listens() -> None:
    with pytest.raises(OSError, match="refused"):
        kafka_metadata(free_port())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x04abcd"])
def test_kafka_another_program_listens(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(ValueError, match=str(port)):
        kafka_metadata(port)


def test_kafka_brokers_and_controller() -> None:
    broker = b"\x00\x00\x00\x01" + b"\x00\x09127.0.0.1" + b"\x00\x00\x23\x84" + b"\xff\xff"
    body = b"\x00\x00\x00\x01" + b"\x00\x00\x00\x01" + broker + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x00"
    with answering(len(body).to_bytes(4, "big") + body) as port:
        assert kafka_metadata(port) == ([1], 1)


def test_kafka_closes_at_once() -> None:
    with answering(b"") as port, pytest.raises(OSError, match="closed"):
        kafka_metadata(port)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"\x20\x02\x00\x00", None),
        (b"\x20\x02\x00\x05", "the MQTT broker refused the connection, code 5"),
        (b"HTTP/1.1 400", "not an MQTT broker: it answered 48545450"),
        (b"\x20", "the MQTT broker closed the connection"),
    ],
)
def test_mqtt_answers(answer: bytes, problem: str | None) -> None:
    with answering(answer) as port:
        assert mqtt_connect(port) == problem
