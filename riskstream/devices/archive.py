"""The text of a recording, plain or inside zip or gzip; nothing is ever written to disk."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

MAX_BYTES = 2_000_000_000
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


class RecordingError(ValueError):
    """A recording cannot be played; the message names file, line and column where it can, and what is allowed."""


def read_text(path: Path, encoding: str = "utf-8", member: str | None = None, max_bytes: int = MAX_BYTES) -> str:
    """The recording's text. Names inside a zip are labels only, so `..` in them does nothing.

    `member` chooses one of several files in a zip. Raises RecordingError for unreadable or damaged files, text of
    another encoding (naming the line), and more than `max_bytes` after decompression.
    """
    try:
        data = path.read_bytes()
        # what decides is how the file begins: recordings are called .csv.zip before and after they are unpacked
        while data.startswith((_ZIP, _GZIP)):
            data = _unzip(data, path, member, max_bytes) if data.startswith(_ZIP) else _gunzip(data, path, max_bytes)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecordingError(f"{path}:{line}: not {encoding}; allowed: another --encoding, such as latin-1") from error
    except LookupError as error:
        raise RecordingError(f"unknown encoding {encoding!r}; allowed: such as utf-8, latin-1, gb18030") from error


def _unzip(data: bytes, path: Path, member: str | None, max_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            wanted = [name for name in names if member is None or name == member]
            if len(wanted) != 1:
                problem = "has several files" if member is None and names else "has no such file"
                listed = ", ".join(names[:10]) or "none"
                raise RecordingError(f"{path}: the zip {problem}; --member names one of: {listed}")
            with archive.open(wanted[0]) as file:
                return _bounded(file.read(max_bytes + 1), path, max_bytes)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise RecordingError(f"{path}: a zip that cannot be read: {error}") from error


def _gunzip(data: bytes, path: Path, max_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _bounded(file.read(max_bytes + 1), path, max_bytes)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: a gzip that cannot be read: {error}") from error


def _bounded(data: bytes, path: Path, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise RecordingError(f"{path}: more than {max_bytes:,} bytes after decompression")
    return data
