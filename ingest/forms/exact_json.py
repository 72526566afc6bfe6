"""The exact reader of JSON, for payloads that the fast decoder refuses or that need a closer look.

It is JSON with two leniencies, so that one bad number costs one item and not its whole payload: the tokens NaN,
Infinity and -Infinity are read (as `NotANumber`), and numbers beyond a double become ±inf. It sees keys that stand
twice, and knows the exact bytes of each item of an array.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ingest.forms.measure import check_items
from ingest.parsed import UnreadableError


class NotANumber:
    """The token NaN, Infinity or -Infinity where JSON has a number."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return self.token


class Twice(dict[str, Any]):
    """An object in which a key stands twice (named by `key`)."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    twice = Twice(plain)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            twice.key = key
            break
        seen.add(key)
    return twice


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 400 else float(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=NotANumber)
_SPACE = re.compile(r"[ \t\r\n]*")


def text_of(payload: bytes) -> str:
    """Raises UnreadableError when the bytes are not UTF-8."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8: byte {error.start} is 0x{payload[error.start]:02x}") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise UnreadableError("not readable: nested too deeply") from error


def read_value(text: str) -> Any:
    """The one JSON value of a text. Raises UnreadableError."""
    value, end = _value(text, _skip(text, 0))
    end = _skip(text, end)
    if end != len(text):
        hint = "; several objects go into an array or, over HTTP, into application/x-ndjson"
        raise UnreadableError(f"not JSON: more text after the value at character {end}{hint}")
    return value


def read_array(text: str) -> tuple[list[Any], list[tuple[int, int]]]:
    """The elements of the one JSON array of a text, and where each stands in it. Raises UnreadableError."""
    at = _skip(text, 0)
    if not text.startswith("[", at):
        raise UnreadableError("not a JSON array")
    values: list[Any] = []
    spans: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    closed = text.startswith("]", at)
    while not closed:
        value, end = _value(text, at)
        values.append(value)
        spans.append((at, end))
        check_items(len(values))
        at = _skip(text, end)
        if text.startswith("]", at):
            closed = True
        elif text.startswith(",", at):
            at = _skip(text, at + 1)
        else:
            raise UnreadableError(f"not JSON: a comma or ] is missing after item {len(values) - 1}")
    if _skip(text, at + 1) != len(text):
        raise UnreadableError(f"not JSON: more text after the array at character {at + 1}")
    return values, spans
