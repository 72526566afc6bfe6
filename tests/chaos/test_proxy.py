"""The proxy does to connections what it says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Delay, HoldAnswers, Proxy
from tests.stack import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_it_forwards(echo: int) -> None:
    with Proxy(echo) as proxy, connected(proxy) as one, connected(proxy) as two:
        one.sendall(b"one")
        two.sendall(b"two")
        assert (two.recv(10), one.recv(10)) == (b"two", b"one")
        assert proxy.connections == 2


def test_it_delays_answers(echo: int) -> None:
    with Proxy(echo) as proxy, connected(proxy) as client:
        proxy.tamper = Delay(0.2)
        began = time.monotonic()
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        assert time.monotonic() - began >= 0.2


def test_it_holds_answers_back_and_cuts(echo: int) -> None:
    with Proxy(echo) as proxy, connected(proxy) as client:
        held = proxy.tamper = HoldAnswers()
        client.sendall(b"x")
        wait_until(lambda: held.held == [b"x"], "the answer is held back")
        assert proxy.cut() == 1
        assert client.recv(10) == b""


def test_it_refuses_new_connections(echo: int) -> None:
    with Proxy(echo) as proxy:
        proxy.refuses = True
        with connected(proxy) as client:
            assert client.recv(10) == b""


def test_a_server_that_is_away_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Proxy(port) as proxy, connected(proxy) as client:
        assert client.recv(10) == b""
