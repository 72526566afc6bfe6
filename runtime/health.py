"""The small HTTP server of every service: /metrics, /healthz (alive), /readyz (ready)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

# returns None if all is well, otherwise why it is not
Check = Callable[[], str | None]


class HealthServer:
    """Serves in a thread of its own, so that a blocked event loop does not silence it.

    A check may be called at any time from that thread; it must not block.
    """

    def __init__(self, host: str, port: int) -> None:
        self._alive: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def alive(self, name: str, check: Check) -> None:
        """Add a check of /healthz: a failing one says that only a restart helps."""
        self._alive[name] = check

    def ready(self, name: str, check: Check) -> None:
        """Add a check of /readyz: a failing one says that the service cannot do its work now."""
        self._ready[name] = check

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def failures(self, path: str) -> list[str]:
        checks = self._alive if path == "/healthz" else self._ready
        found = []
        for name, check in list(checks.items()):
            why = check()
            if why is not None:
                found.append(f"{name}: {why}")
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                elif path in ("/healthz", "/readyz"):
                    found = owner.failures(path)
                    text = "\n".join(found) if found else "ok"
                    self._answer(503 if found else 200, "text/plain; charset=utf-8", f"{text}\n".encode())
                else:
                    self._answer(404, "text/plain; charset=utf-8", b"here are /metrics, /healthz and /readyz\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes come every few seconds; they are not logged."""

        return Handler
