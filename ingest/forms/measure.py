"""How much a payload may hold: what it becomes in memory is many times its bytes, and is bounded before it is made."""

from __future__ import annotations

from ingest.parsed import UnreadableError
from schemas.reasons import Reason

MAX_ITEMS = 200_000
"""Most items of a payload: elements of an array or a pack, lines."""
MAX_VALUES = 1_500_000
"""Most values of a payload, samples of a run included."""
_SMALL = 2 * MAX_ITEMS


def check_size(payload: bytes) -> None:
    """Raises UnreadableError (too_large). Cheap, and coarse: punctuation counts, wherever it stands."""
    if len(payload) <= _SMALL:
        return
    if payload.count(b"{") + payload.count(b"[") > 2 * MAX_ITEMS:
        raise UnreadableError(f"more than {2 * MAX_ITEMS} objects and arrays; send it in parts", Reason.TOO_LARGE)
    if payload.count(b",") > MAX_VALUES or payload.count(b"\n") > MAX_VALUES:
        raise UnreadableError(f"more than {MAX_VALUES} values; send it in parts", Reason.TOO_LARGE)


def check_items(count: int) -> None:
    """Raises UnreadableError (too_large) for more than MAX_ITEMS."""
    if count > MAX_ITEMS:
        raise UnreadableError(f"more than {MAX_ITEMS} items; send them in parts", Reason.TOO_LARGE)
