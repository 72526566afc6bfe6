import gzip
import zlib

import pytest

from ingest.forms.gzipped import decompress
from ingest.parsed import UnreadableError

TEXT = b'{"pressure_kpa": 2.5}' * 1000


def test_one_and_several_members() -> None:
    assert decompress(gzip.compress(TEXT, mtime=0), 10**6) == TEXT
    assert decompress(gzip.compress(TEXT, mtime=0) + gzip.compress(b"x", mtime=0), 10**6) == TEXT + b"x"
    assert decompress(gzip.compress(TEXT, mtime=0), len(TEXT)) == TEXT
    assert decompress(gzip.compress(b"", mtime=0), 0) == b""


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"", "empty", "empty"),
        (b"plain", "unreadable", "not gzip"),
        (gzip.compress(TEXT, mtime=0)[:-1], "unreadable", "truncated"),
        (gzip.compress(TEXT, mtime=0)[:40], "unreadable", "truncated"),
        (gzip.compress(TEXT, mtime=0)[:5], "unreadable", "truncated"),
        (gzip.compress(TEXT, mtime=0) + b"rubbish", "unreadable", "not gzip"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "unreadable", "not gzip"),
        (gzip.compress(TEXT * 100, mtime=0), "too_large", "limit of 1000000"),
    ],
)
def test_bad_gzip(data: bytes, reason: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as caught:
        decompress(data, 10**6)
    assert caught.value.reason.value == reason


def test_a_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 GB of zeros in 10 MB: no more than the limit is ever asked for."""
    inflated = 0
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *, wbits: int) -> None:
            self._real = real(wbits=wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal inflated
            part = self._real.decompress(data, most)
            inflated += len(part)
            return part

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    packer = zlib.compressobj(wbits=31)
    megabyte = b"\0" * 1_000_000
    bomb = b"".join(packer.compress(megabyte) for _ in range(200)) + packer.flush()
    monkeypatch.setattr("ingest.forms.gzipped.zlib.decompressobj", Counting)
    with pytest.raises(UnreadableError, match="limit of 3000000"):
        decompress(bomb, 3_000_000)
    assert inflated <= 3_000_001
