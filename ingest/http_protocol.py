"""uvicorn's HTTP protocol, made safe against what is no HTTP: bounded heads, JSON answers, and quiet logs."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ingest.http_answers import encode
from runtime import metrics

MAX_HEAD_BYTES = 65_536
HEAD_TIMEOUT_S = 30.0
"""How long a client may take from connecting, or from the first byte of a request, to the end of its headers."""

# uvicorn would log a line for each bad request: anyone could fill the disk; they are counted instead
log = logging.getLogger(__name__)
log.setLevel(logging.ERROR)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what is no HTTP (400) and a head that is too large (431); a head that never ends is cut off."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log
        self._in_head = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._open: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._nobody_listens()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # the parser keeps what it has of a head; what came in one piece with its end is the socket's buffer at most
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "head_too_large", f"request line and headers are more than {MAX_HEAD_BYTES} bytes")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is not HTTP/1.1 as RFC 9112 has it")

    def on_message_begin(self) -> None:
        self._in_head = True
        if self._timer is None:
            self._wait_for_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_came()
        super().on_headers_complete()
        while self._open and self._open[0].response_complete:
            self._open.popleft()
        self._open.append(self.cycle)

    def _refuse(self, status: int, error: str, detail: str) -> None:
        metrics.INGEST_REFUSED.labels("http", str(status)).inc()
        body = encode({"error": error, "detail": detail})
        head = f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self._nobody_listens()
        if not self.transport.is_closing():
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
            self.transport.close()

    def _nobody_listens(self) -> None:
        """Requests of this connection that are not answered yet go on, but their answers are not written any more."""
        for cycle in self._open:
            cycle.disconnected = True
            cycle.message_event.set()
        self._open.clear()

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _head_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
