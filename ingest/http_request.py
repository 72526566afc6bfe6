"""What a POST of readings says about itself: kind, form, compression, mode, run, and its body within bounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ingest.forms import Form
from ingest.http_answers import Receive, Refused
from ingest.mode import RUN_ID, RUN_ID_ALLOWED
from schemas.batch import Mode

PREFIX = "/v1/readings/"
BODY_TIMEOUT_S = 60.0

_FORMS = {
    "": Form.JSON,
    "application/json": Form.JSON,
    "application/senml+json": Form.SENML,
    "application/x-ndjson": Form.NDJSON,
    "application/ndjson": Form.NDJSON,
}


@dataclass(frozen=True, slots=True)
class Head:
    """The headers that matter. `length` is None for a chunked body."""

    form: Form
    gzipped: bool
    mode: Mode
    run_id: str
    length: int | None
    token: str | None


def read_head(headers: list[tuple[bytes, bytes]], keys: bool = True) -> Head:
    """Raises Refused (400, 401, 415). Without `keys` nobody needs one, and Authorization is not looked at."""
    form, gzipped, mode, run_id, length, token = Form.JSON, False, Mode.LIVE, "", None, None
    for name, raw in headers:
        if name == b"content-type":
            form = _form(raw.decode("latin-1"))
        elif name == b"content-encoding":
            gzipped = _is_gzip(raw.decode("latin-1"))
        elif name == b"content-length":
            length = _length(raw)
        elif name == b"authorization" and keys:
            token = _bearer(raw.decode("latin-1"))
        elif name == b"riskstream-mode":
            mode = _mode(raw.decode("latin-1"))
        elif name == b"riskstream-run-id":
            run_id = raw.decode("latin-1")
            if not RUN_ID.fullmatch(run_id):
                detail = f"Riskstream-Run-Id is {run_id[:120]!r}; allowed: {RUN_ID_ALLOWED}"
                raise Refused(400, "bad_header", detail)
    return Head(form, gzipped, mode, run_id, length, token)


def _length(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 18:
        raise Refused(400, "bad_header", f"Content-Length is {raw[:50]!r}; allowed: a number of bytes")
    return int(raw)


def _form(value: str) -> Form:
    media, _, parameters = value.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    form = _FORMS.get(media.strip())
    if form is None or (charset.startswith("charset=") and charset != "charset=utf-8"):
        allowed = ", ".join(name for name in _FORMS if name)
        raise Refused(415, "unsupported_media_type", f"Content-Type is {value[:100]!r}; allowed, in UTF-8: {allowed}")
    return form


def _is_gzip(value: str) -> bool:
    if value.strip().lower() in ("", "identity"):
        return False
    if value.strip().lower() in ("gzip", "x-gzip"):
        return True
    raise Refused(415, "unsupported_encoding", f"Content-Encoding is {value[:100]!r}; allowed: gzip, identity")


def _bearer(value: str) -> str:
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("Authorization must be `Bearer <API key>`")
    return token.strip()


def _mode(value: str) -> Mode:
    try:
        return Mode(value.strip().lower())
    except ValueError:
        allowed = ", ".join(Mode)
        raise Refused(400, "bad_header", f"Riskstream-Mode is {value[:50]!r}; allowed: {allowed}") from None


def unauthorized(detail: str) -> Refused:
    return Refused(401, "unauthorized", detail, (b"www-authenticate", b'Bearer realm="riskstream"'))


def too_large(limit: int, said: str) -> Refused:
    detail = f"{said}; the limit is {limit} bytes after decompression. Send it in several posts"
    return Refused(413, "too_large", detail)


class Gone(Exception):  # noqa: N818 - the client left, there is nobody to answer
    """The client closed the connection before its body was complete."""


async def read_body(receive: Receive, limit: int, grow: Any) -> bytes:
    """The whole body, at most `limit` bytes; `grow(n)` is called for each n bytes and may refuse.

    Raises Refused (413, 408, and what `grow` raises) and Gone.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            parts: list[bytes] = []
            size = 0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise too_large(limit, f"the body has more than {limit} bytes")
                grow(len(part))
                if not message.get("more_body"):
                    return part if not parts else b"".join([*parts, part])
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "too_slow", f"the body did not come within {BODY_TIMEOUT_S:g} s") from None
