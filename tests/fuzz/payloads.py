"""Payloads for the fuzz: valid ones of every form, and what mutation makes of them. The same seed gives the same."""

from __future__ import annotations

import gzip
import json
import zlib
from random import Random
from typing import Any

from schemas.kinds import Kind

ODD_NUMBERS = [
    "0", "-0", "-0.0", "1e308", "-1e308", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "-Infinity", "nan", "+1", "01",
    "1.", ".5", "1e", "0x10", "1_000", "9" * 20, "9" * 400, "9" * 5000, "-" + "9" * 400, "1" + "0" * 309, "0." + "0" * 400 + "1",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e400",
]  # fmt: skip
ODD_TEXTS = [
    "", "\u0000", "\\", '"', "水位", "\U0001f30a", "\ud800", "\udfff\ud800", "a" * 3000, "..", "%00", "${x}", "'; DROP TABLE x", "\r\n",
    "2026-02-30T00:00:00Z", "2026-06-30T23:59:60Z", "2026-01-01T24:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
    "2026-01-01T00:00:00", "2026-01-01T00:00:00+25:00", "2026-01-01 00:00:00z", "２０２６-01-01T00:00:00Z", "1768435200000", "now",
]  # fmt: skip
ODD_VALUES = ["null", "true", "false", "[]", "{}", "[[]]", '[{"a":[1]}]', '{"v":1}', "[1,2,3]", '[null,"x",NaN]']
ODD_KEYS = [
    "sensor_id", "observed_at", "sample_rate_hz", "pressure_kpa", "strain_ue", "level_m", "n", "bn", "bt", "bu", "bv", "bver",
    "v", "vs", "vb", "vd", "s", "t", "u", "ut", "x_", "", "\u0000", "Sensor_id", "sensor_id ",
]  # fmt: skip
ODD_BYTES = [
    b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe2\x80\xa8",
    b"\x1f\x8b", b"\x1f\x8b\x08", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud800", b"\\u0000", b"\n", b"\r", b"\t",
    b"//", b"/**/", b"'", b"-", b"e", b"NaN", b"Infinity",
]  # fmt: skip


class Payloads:
    """Draws payloads for sensors (id to kind) around a time of receipt in ms; `topic` is the sensor of an MQTT topic."""

    def __init__(
        self, random: Random, kinds: dict[str, Kind], sensors: dict[str, str], now: int, topic: str = ""
    ) -> None:
        self._random = random
        self._kinds = kinds
        self._sensors = sensors
        self._now = now
        self._topic = topic

    def one(self, kind: str) -> tuple[bytes, str]:
        """A payload and its form (json, senml, ndjson), mostly mutated, at times several times over."""
        form, body = self.valid(kind)
        pick = self._random.random()
        if pick < 0.1:
            return body, form
        for _ in range(1 + (pick > 0.6) + (pick > 0.9)):
            body = self._mutated(body)
        return body, form

    def valid(self, kind: str) -> tuple[str, bytes]:
        """A form and a payload of it without any fault."""
        form = self._random.choice(["object", "array", "run", "senml", "ndjson"])
        if form == "object":
            return "json", self._dump(self._reading(kind))
        if form == "run":
            return "json", self._dump(self._run(kind))
        many = [self._reading(kind) for _ in range(self._random.randint(1, 5))]
        if form == "array":
            return "json", self._dump(many)
        if form == "ndjson":
            return "ndjson", b"\n".join(map(self._dump, many))
        return "senml", self._dump(self._senml(kind))

    def _dump(self, value: Any) -> bytes:
        style = self._random.choice([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])
        text = json.dumps(value, **style)
        return text.encode("utf-8", "surrogatepass")

    def _sensor(self, kind: str) -> str:
        if self._topic and self._random.random() < 0.9:
            return self._topic
        mine = [name for name, other in self._sensors.items() if other == kind]
        return self._random.choice([*mine * 8, *self._sensors, "GP-?"])

    def _time(self) -> int | str:
        at = self._now - self._random.choice([0, 1000, 600_000, 86_400_000, -30_000, -86_400_000, 10**11])
        if self._random.random() < 0.5:
            return at
        return f"2026-05-28T{self._random.randint(0, 23):02}:15:00.{self._random.randint(0, 999):03}+08:00"

    def _fields(self, kind: str) -> dict[str, float]:
        return {
            field.name: round(field.minimum + self._random.random() * (field.maximum - field.minimum), 3)
            for field in self._kinds[kind].fields
            if not field.optional or self._random.random() < 0.5
        }

    def _reading(self, kind: str) -> dict[str, Any]:
        return {"sensor_id": self._sensor(kind), "observed_at": self._time(), **self._fields(kind)}

    def _run(self, kind: str) -> dict[str, Any]:
        count = self._random.randint(1, 20)
        head = {
            "sensor_id": self._sensor(kind),
            "observed_at": self._time(),
            "sample_rate_hz": self._random.choice([1, 100, 0.1]),
        }
        return head | {name: [value] * count for name, value in self._fields(kind).items()}

    def _senml(self, kind: str) -> list[dict[str, Any]]:
        head = {"bn": f"urn:dev:mac:{self._sensor(kind)}:", "bt": self._now / 1000}
        records = [{"n": name, "v": value} for name, value in self._fields(kind).items()]
        return [{**head, **record} if not i else record for i, record in enumerate(records)] or [head]

    def _mutated(self, body: bytes) -> bytes:
        random = self._random
        at = random.randint(0, len(body))
        to = min(len(body), at + random.choice([1, 1, 2, 5, 50]))
        return random.choice(
            [
                lambda: body[:at],
                lambda: body[:at] + body[to:],
                lambda: body[:at] + random.choice(ODD_BYTES) + body[at:],
                lambda: body[:at] + random.choice(ODD_BYTES) + body[to:],
                lambda: body[:at] + body[at:to] * random.choice([2, 3, 200]) + body[to:],
                lambda: body[:at] + random.randbytes(random.randint(1, 8)) + body[to:],
                lambda: random.choice(ODD_BYTES) * random.choice([1, 3, 5000]) + body,
                lambda: body + random.choice([b"", b"\n", b",", body]),
                lambda: self._replaced(body),
                lambda: self._replaced(body),
                lambda: self._replaced(body),
                lambda: self._key(body),
                lambda: self._key(body),
                lambda: self._nested(body),
                lambda: self._zipped(body),
                lambda: b"",
            ]
        )()

    def _replaced(self, body: bytes) -> bytes:
        """Another value behind one of its colons or commas."""
        places = [i for i, byte in enumerate(body) if byte in b":,["]
        if not places:
            return body
        at = self._random.choice(places) + 1
        ends = [end for end in (body.find(mark, at) for mark in (b",", b"}", b"]")) if end >= 0]
        texts = [json.dumps(text) for text in ODD_TEXTS] + [f'"{text}"' for text in ODD_TEXTS]
        value = self._random.choice([*ODD_NUMBERS, *ODD_VALUES, *texts])
        return body[:at] + value.encode("utf-8", "surrogatepass") + body[min(ends, default=at) :]

    def _key(self, body: bytes) -> bytes:
        """One more key, often one that is there already."""
        at = body.find(b"{", self._random.randint(0, len(body) // 2)) + 1
        key = json.dumps(self._random.choice(ODD_KEYS))
        value = self._random.choice([*ODD_VALUES, "1", '"GP-1"', str(self._now)])
        return body[:at] + f"{key}:{value},".encode() + body[at:]

    def _nested(self, body: bytes) -> bytes:
        depth = self._random.choice([2, 50, 2000, 30_000])
        opening, closing = self._random.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"n":', b"}]")])
        return opening * depth + (body if self._random.random() < 0.5 else b"1") + closing * depth

    def _zipped(self, body: bytes) -> bytes:
        random = self._random
        packed = gzip.compress(body, mtime=0)
        return random.choice(
            [
                packed, packed[: random.randint(0, len(packed))], packed + packed, packed + b"trailing",
                packed[:-8] + random.randbytes(8), gzip.compress(packed, mtime=0), b"\x1f\x8b" + body, bomb(random.choice([90_000, 3_000_000])),
            ]
        )  # fmt: skip


def bomb(size: int) -> bytes:
    """A gzip that inflates to so many bytes."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(b" " * size) + packer.flush()
