"""A TCP proxy that a scenario puts in front of a server: it delays, holds back, cuts and counts what passes.

What happens to the bytes of each connection is decided by the proxy's `tamper`, one object for all its connections.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class Link:
    """One connection through the proxy; `state` is for the tamper's own use."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.state = ""
        self.held = b""

    def cut(self) -> None:
        """Close both sides; what was held back is lost."""
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Tamper:
    """Passes everything. Each method gets what one side sent and returns what the other shall get."""

    def asked(self, link: Link, data: bytes) -> bytes:
        return data

    def answered(self, link: Link, data: bytes) -> bytes:
        return data


class Delay(Tamper):
    """Every piece of an answer arrives late."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.delayed = 0

    def answered(self, link: Link, data: bytes) -> bytes:
        time.sleep(self.seconds)
        self.delayed += 1
        return data


class HoldAnswers(Tamper):
    """Requests pass, answers do not: they are kept, in order, until the link is cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.held: list[bytes] = []

    def answered(self, link: Link, data: bytes) -> bytes:
        with self._lock:
            self.held.append(data)
        return b""


class LoseInsertAnswers(Tamper):
    """ClickHouse's native protocol: every `each`-th insert is taken by the server, and its answer is lost.

    `lost` counts answers that said that the insert is done (the packet EndOfStream) and were cut off; `before_cut` is
    called in between.
    """

    END_OF_STREAM = 5
    # the client's packet Data with a block of no columns and no rows: there is no more to come
    NO_MORE = b"\x02\x00\x01\x00\x02\xff\xff\xff\xff\x00\x00\x00"

    def __init__(
        self, each: int = 3, table: bytes = b"readings_", before_cut: Callable[[], object] = lambda: None
    ) -> None:
        self._each = each
        self._before_cut = before_cut
        self._table = table
        self._lock = threading.Lock()
        self.inserts = 0
        self.lost = 0

    def asked(self, link: Link, data: bytes) -> bytes:
        if b"INSERT INTO `" + self._table in data:
            with self._lock:
                self.inserts += 1
                link.state = "described" if self.inserts % self._each == 0 else ""
        elif link.state == "described" and link.held and data.endswith(self.NO_MORE):
            link.state, link.held = "sent", b""
        return data

    def answered(self, link: Link, data: bytes) -> bytes:
        if link.state == "described":
            link.held = data  # the table's columns and counters, for which the client waits before it goes on
            return data
        if link.state != "sent":
            return data
        link.held += data
        if link.held[-1] == self.END_OF_STREAM:
            self._before_cut()
            with self._lock:
                self.lost += 1
            link.cut()
        return b""


class Proxy:
    """Listens on a free loopback port and forwards to `target`. Use as a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.tamper = Tamper()
        self.refuses = False
        self.connections = 0
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"proxy {self.port}", daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuses = True
        # closing alone does not wake a thread that waits in accept
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """Cut every connection; returns how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            with self._lock:
                self._links.add(link)
                self.connections += 1
            for way in ("asked", "answered"):
                threading.Thread(target=self._pump, args=(link, way), daemon=True).start()

    def _pump(self, link: Link, way: str) -> None:
        source, target = (link.client, link.server) if way == "asked" else (link.server, link.client)
        try:
            while data := source.recv(65_536):
                passed = getattr(self.tamper, way)(link, data)
                if passed:
                    target.sendall(passed)
        except OSError:
            pass
        finally:
            link.cut()
            source.close()
            with self._lock:
                self._links.discard(link)
