"""API keys of the HTTP gateway: a file of hashes.

A line is `<name> <sha256 of the key, hex> [kinds=<kind>,<kind>…]`; `#` starts a comment. The keys are random and long
(`riskstream keys new`), so a plain SHA-256 keeps them: there is no dictionary to try. Without `kinds=` a key may write
every kind.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_RECHECK_S = 1.0


class KeysError(ValueError):
    """The file of keys is wrong; the message names file, line and what is allowed."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A client: its name, the SHA-256 of its key, and the kinds that it may write (None: all)."""

    name: str
    digest: bytes
    kinds: frozenset[str] | None = None

    def may_write(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds


def new_key(name: str, kinds: frozenset[str] | None = None) -> tuple[str, str]:
    """A new key, and the line for the file. Raises KeysError for a name that is not allowed."""
    if not _NAME.fullmatch(name):
        raise KeysError(f"name is {name!r}; allowed: letters, digits and . _ @ -, at most 64, no - or . in front")
    key = f"rs_{secrets.token_urlsafe(32)}"
    scope = f" kinds={','.join(sorted(kinds))}" if kinds else ""
    return key, f"{name} {hashlib.sha256(key.encode()).hexdigest()}{scope}"


def read_keys(text: str, where: str) -> list[ApiKey]:
    """The keys of a file's text. Raises KeysError naming `where` and the line."""
    keys: list[ApiKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) not in (2, 3) or not _NAME.fullmatch(words[0]) or not _HASH.fullmatch(words[1]):
            raise KeysError(f"{where}:{number}: must be `name sha256-in-hex [kinds=a,b]`")
        if any(key.name == words[0] for key in keys):
            raise KeysError(f"{where}:{number}: the name {words[0]!r} stands twice")
        kinds = None
        if len(words) == 3:
            label, _, names = words[2].partition("=")
            kinds = frozenset(name for name in names.split(",") if name)
            if label != "kinds" or not kinds:
                raise KeysError(f"{where}:{number}: {words[2]!r} is not a scope; allowed: kinds=<kind>,<kind>…")
        keys.append(ApiKey(words[0], bytes.fromhex(words[1]), kinds))
    return keys


class KeyFile:
    """The keys of a file, read again when it changes; a broken change is logged, and the last good keys stay."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._checked = clock()
        self._state = self._stat()
        self._keys = self._read()

    def find(self, token: str) -> ApiKey | None:
        """The key that a client presents; every known key is compared, each in constant time."""
        if self._clock() - self._checked >= _RECHECK_S:
            self._reload()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _reload(self) -> None:
        self._checked = self._clock()
        try:
            state = self._stat()
            if state == self._state:
                return
            self._keys = self._read()
        except KeysError as error:
            log.error("API keys are not read again, the former ones stay in force: %s", error)
        else:
            self._state = state
            log.info("API keys read again: %d", len(self._keys))

    def _stat(self) -> tuple[int, int, int]:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise KeysError(f"{self._path}: {error.strerror}") from error
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> list[ApiKey]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KeysError(f"{self._path}: cannot be read: {error}") from error
        return read_keys(text, str(self._path))
