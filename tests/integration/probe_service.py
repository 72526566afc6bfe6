"""A small service for tests of the supervisor: healthy at once, ends on SIGTERM like the real ones.

python probe_service.py [exit-at-once | ignore-term]

The word chooses how it misbehaves.
"""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(mode: str) -> None:
    if mode == "exit-at-once":
        sys.exit("the probe was told to fail")
    if mode == "ignore-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    HTTPServer(("127.0.0.1", int(os.environ["RISKSTREAM_METRICS_PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
