"""Systems over HTTP: posts of gzipped NDJSON or JSON arrays, each answered before it counts."""

from __future__ import annotations

import gzip
import http.client
import queue
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from riskstream.devices.counts import TransportCounts
from riskstream.devices.transport import Endpoints, Item, TransportError

NDJSON, ARRAY = "application/x-ndjson", "application/json"
RETRIED = frozenset({408, 429, 502, 503, 504})
FATAL = frozenset({401, 403, 404, 405, 415})


@dataclass(frozen=True, slots=True)
class Post:
    """One body on its way."""

    kind: str
    body: bytes
    content_type: str
    readings: int


class HttpTransport:
    """A Transport that gathers up to `post_readings` readings a kind, over `connections` kept-alive connections.

    At most `in_flight` posts wait. A connection error, 429 or 503 is tried again (after Retry-After) until
    `patience_s` have passed without any answer; then, and on 401, 403 and 404, TransportError is raised. A post that is
    refused as a whole (400, 413) counts its readings as rejected.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        headers: Mapping[str, str] | None = None,
        connections: int = 4,
        in_flight: int = 16,
        post_readings: int = 1000,
        form: str = NDJSON,
        patience_s: float = 30,
    ) -> None:
        url = urllib.parse.urlsplit(endpoints.http_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise TransportError(f"{endpoints.http_url!r} is not an address; allowed: http://host:port or https://…")
        self.counts = TransportCounts()
        self._url = url
        self._headers = {"Content-Encoding": "gzip", **(headers or {})}
        if endpoints.api_key:
            self._headers["Authorization"] = f"Bearer {endpoints.api_key}"
        self._form = form
        self._post_readings = post_readings
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._gathered: dict[str, tuple[list[bytes], int]] = {}
        self._posts: queue.Queue[Post | None] = queue.Queue(in_flight)
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"http-{n}", daemon=True) for n in range(connections)]
        for thread in self._threads:
            thread.start()

    def put(self, kind: str, sensor_id: str, items: list[Item], readings: int) -> None:
        gathered, count = self._gathered.get(kind, ([], 0))
        gathered += [orjson.dumps({"sensor_id": sensor_id, **item}) for item in items]
        self._gathered[kind] = gathered, count + readings
        if count + readings >= self._post_readings:
            self._post(kind)

    def flush(self) -> None:
        for kind in list(self._gathered):
            self._post(kind)

    def finish(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        try:
            self.flush()
            for _ in self._threads:
                self._enqueue(None)
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        finally:
            self._stopping.set()
        self._check()

    def _post(self, kind: str) -> None:
        items, readings = self._gathered.pop(kind)
        body = b"\n".join(items) if self._form == NDJSON else b"[" + b",".join(items) + b"]"
        with self._lock:
            self.counts.sent += readings
            self.counts.messages += 1
            self.counts.by_kind[kind] += readings
        self._enqueue(Post(kind, gzip.compress(body, 1, mtime=0), self._form, readings))

    def _enqueue(self, post: Post | None) -> None:
        while True:
            self._check()
            try:
                self._posts.put(post, timeout=0.5)
                return
            except queue.Full:
                continue

    def _check(self) -> None:
        if self._failure is not None:
            raise TransportError(self._failure)

    def _work(self) -> None:
        connection = self._connection()
        while (post := self._posts.get()) is not None:
            if self._failure is None:
                connection = self._deliver(connection, post)
        connection.close()

    def _deliver(self, connection: http.client.HTTPConnection, post: Post) -> http.client.HTTPConnection:
        """Send until it is answered for good; returns the connection to go on with."""
        headers = {**self._headers, "Content-Type": post.content_type}
        path = f"{self._url.path.rstrip('/')}/v1/readings/{urllib.parse.quote(post.kind)}"
        deadline = time.monotonic() + self._patience_s
        delay = 0.2
        while True:
            wait = delay
            try:
                connection.request("POST", path, post.body, headers)
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                connection = self._connection()
                problem = f"{error.__class__.__name__}: {error}"
            else:
                if response.status not in RETRIED:
                    self._settle(post, response.status, answer)
                    return connection
                problem = f"{response.status} {_detail(answer)}"
                wait = _retry_after(response.getheader("Retry-After"), delay)
            if time.monotonic() + wait > deadline or self._stopping.wait(wait):
                self._failure = f"HTTP gateway at {self._url.netloc}: {problem}, tried for {self._patience_s:g} s"
                return connection
            delay = min(delay * 2, 5.0)
            with self._lock:
                self.counts.resent += 1

    def _settle(self, post: Post, status: int, answer: bytes) -> None:
        with self._lock:
            if status == 200:
                content = orjson.loads(answer)
                self.counts.acknowledged += content["accepted"]
                for rejected in content["rejected"]:
                    self.counts.rejected[rejected["reason"]] += rejected.get("readings", 1)
            elif status in FATAL:
                self._failure = f"HTTP gateway at {self._url.netloc}: {status} {_detail(answer)}"
            else:
                self.counts.rejected[f"http_{status}"] += post.readings

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(str(self._url.hostname), self._url.port, timeout=self._patience_s)


def _detail(answer: bytes) -> str:
    try:
        content = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return answer[:200].decode("utf-8", "replace")
    return str(content.get("detail", content)) if isinstance(content, dict) else str(content)


def _retry_after(header: str | None, default: float) -> float:
    return float(header) if header is not None and header.isdigit() else default
