"""Small parts of HTTP: answers as JSON, and errors that carry their status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the gateway
    """The request is refused with this status; `detail` says what was wrong and what is allowed."""

    def __init__(self, status: int, error: str, detail: str, *headers: Header) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = headers


def retry_after(seconds: int) -> Header:
    return b"retry-after", str(seconds).encode()


def encode(content: Any) -> bytes:
    return msgspec.json.encode(content)


async def answer(send: Send, status: int, body: bytes, *headers: Header, content_type: bytes = JSON) -> None:
    length = str(len(body)).encode()
    all_headers = [(b"content-type", content_type), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def answer_refused(send: Send, refused: Refused) -> None:
    body = encode({"error": refused.error, "detail": refused.detail})
    await answer(send, refused.status, body, *refused.headers)
