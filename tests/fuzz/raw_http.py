"""Bytes that are nearly HTTP requests, for a real socket."""

from __future__ import annotations

import re
import socket
from random import Random

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
METHODS = [
    b"POST",
    b"GET",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PRI",
    b"post",
    b"",
    b"P" * 300,
    b"\x00",
    b"\xff",
]
TARGETS = [
    b"/v1/readings/gas_pressure", b"/v1/readings/", b"/v1/events", b"/", b"*", b"", b"//", b"/%zz", b"/%00", b"/v1/readings/%ff%fe",
    b"/v1/readings/gas_pressure?x=" + b"y" * 3000, b"http://other/v1/readings/gas_pressure", b"/v1/readings/../events", b"\xe6\xb0\xb4",
    b"/schemas/ids/%20", b"/schemas/ids/" + b"9" * 5000, b"/subjects/%2f/versions/1", b"/" + b"a" * 100_000, b"/v1/kinds",
]  # fmt: skip
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP", b"", b"http/1.1"]
HEADERS = [
    b"Host: x", b"Host:", b"Content-Length: 10", b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: 5, 5",
    b"Content-Length: 99999999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x",
    b"Content-Encoding: gzip", b"Expect: 100-continue", b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c",
    b"Content-Type: application/json", b"Content-Type: \xff\xfe", b"X: " + b"y" * 5000, b"No colon", b": empty", b" folded", b"X\x00Y: z",
    b"Riskstream-Mode: \x0b", b"Idempotency-Key: " + b"k" * 600, b"Idempotency-Key: ", b"Authorization: Bearer", b"Content-Length : 3",
]  # fmt: skip
GOOD = b"POST /v1/readings/gas_pressure HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def request(random: Random) -> bytes:
    """The bytes of a connection."""
    pick = random.random()
    if pick < 0.1:
        return random.randbytes(random.randint(0, 400))
    if pick < 0.15:
        return b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * random.choice([10, 2000, 40_000]) + random.choice([b"\r\n", b""])
    if pick < 0.25:
        return GOOD * random.randint(1, 30) + random.choice(
            [b"", b"\r\n", b"\x00", b"POST", GOOD[: random.randint(0, len(GOOD))]]
        )
    line = b" ".join([_mostly(random, METHODS), _mostly(random, TARGETS), _mostly(random, VERSIONS)])
    headers = [
        b"Host: x",
        *random.sample(HEADERS, random.choice([0, 0, 1, 1, 2, 6])),
        random.choice([b"Connection: close", b"X: y"]),
    ]
    end = random.choice([b"\r\n"] * 8 + [b"\n", b"\r"])
    body = random.choice(
        [
            b"",
            b"{}",
            b'{"sensor_id":"GP-0001"}',
            b"5\r\n{}   \r\n0\r\n\r\n",
            b"ffffffffffffffff1\r\n{}",
            b"-1\r\n",
            b"zz\r\n",
            b"2\r\n{}\r\n",
        ]
    )
    raw = end.join([line, *headers, b"", body])
    if random.random() < 0.2:
        at = random.randint(0, len(raw))
        raw = raw[:at] + random.randbytes(random.randint(0, 3)) + raw[at + random.randint(0, 3) :]
    return raw


def _mostly(random: Random, choices: list[bytes]) -> bytes:
    return choices[0] if random.random() < 0.6 else random.choice(choices)


def statuses(port: int, raw: bytes, patience_s: float = 0.5) -> list[int]:
    """Send it, and read what is answered until the server closes, or waits for more of the request."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(raw)
            connection.settimeout(patience_s)
            while part := connection.recv(65536):
                answer += part
        except (ConnectionError, TimeoutError):
            pass  # closed in the middle of what was sent: an answer too
    return [int(status) for status in _STATUS.findall(answer)]
