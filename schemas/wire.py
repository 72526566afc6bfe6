"""The Confluent wire format, and the store of every schema version that a record may have been written with.

A value is 0x00, a 4-byte big-endian schema id, and Avro binary. The id is taken from the schema itself, the first 31
bits of the SHA-256 of its Parsing Canonical Form: every process gives the same schema the same id without a registry
to ask, and documentation may change without a new id.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import to_parsing_canonical_form

HISTORY = Path(__file__).parent / "history"
_HEAD = struct.Struct(">bI")


class DecodeError(ValueError):
    """The bytes are not a record of a known schema; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """One version of a subject's schema; `text` is its JSON as a registry serves it."""

    subject: str
    version: int
    schema_id: int
    text: str
    parsed: Any


class SchemaStore:
    """Every known schema: the current ones and those recorded in history, by id and by subject.

    Raises `ValueError` if two different schemas get the same id.
    """

    def __init__(self, current: Mapping[str, Mapping[str, Any]], histories: Iterable[Path] = (HISTORY,)) -> None:
        self._by_id: dict[int, RegisteredSchema] = {}
        self._by_subject: dict[str, list[RegisteredSchema]] = {}
        for subject in sorted(current):
            for schema in recorded(subject, histories):
                self._add(subject, schema)
            self._add(subject, current[subject])

    def _add(self, subject: str, schema: Mapping[str, Any]) -> None:
        # parse_schema marks what it is given
        parsed = fastavro.parse_schema(copy.deepcopy(dict(schema)))
        number = schema_id(schema)
        versions = self._by_subject.setdefault(subject, [])
        if any(one.schema_id == number for one in versions):
            return
        entry = RegisteredSchema(subject, len(versions) + 1, number, json.dumps(schema, ensure_ascii=False), parsed)
        known = self._by_id.setdefault(number, entry)
        if known.subject != subject:
            raise ValueError(
                f"{subject} and {known.subject} have the same schema id {number}; rename a field or record"
            )
        versions.append(entry)

    def by_id(self, number: int) -> RegisteredSchema:
        """The schema of that id. Raises `KeyError`."""
        return self._by_id[number]

    def latest(self, subject: str) -> RegisteredSchema:
        """The current schema of a subject. Raises `KeyError`."""
        return self._by_subject[subject][-1]

    def versions(self, subject: str) -> list[RegisteredSchema]:
        """All versions of a subject, oldest first. Raises `KeyError`."""
        return list(self._by_subject[subject])

    def subjects(self) -> list[str]:
        return sorted(self._by_subject)


def recorded(subject: str, histories: Iterable[Path] = (HISTORY,)) -> list[dict[str, Any]]:
    """The recorded versions of a subject, oldest first: `<history>/<subject>/1.avsc`, `2.avsc`, …"""
    found = []
    for history in histories:
        paths = sorted((history / subject).glob("*.avsc"), key=lambda path: int(path.stem))
        found += [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return found


def schema_id(schema: Mapping[str, Any]) -> int:
    """The id of a schema: see the module's text."""
    canonical = to_parsing_canonical_form(fastavro.parse_schema(copy.deepcopy(dict(schema))))
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:4], "big") & 0x7FFFFFFF


def head(number: int) -> bytes:
    """The five bytes in front of the Avro value."""
    return _HEAD.pack(0, number)


def split(data: bytes) -> tuple[int, memoryview]:
    """Schema id and Avro bytes of a value. Raises `DecodeError`."""
    if len(data) < _HEAD.size:
        raise DecodeError(f"{len(data)} bytes are too short for the wire format (0x00, 4-byte schema id, Avro)")
    magic, number = _HEAD.unpack_from(data)
    if magic != 0:
        raise DecodeError(f"first byte is 0x{data[0]:02x}; the wire format starts with 0x00")
    return number, memoryview(data)[_HEAD.size :]


class RecordCodec:
    """Encodes and decodes the records of one subject as dicts."""

    def __init__(self, store: SchemaStore, subject: str) -> None:
        self._store = store
        self._current = store.latest(subject)
        self._head = head(self._current.schema_id)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Raises what fastavro raises (`ValueError`, `TypeError`) for a record that does not fit the schema."""
        out = io.BytesIO()
        out.write(self._head)
        fastavro.schemaless_writer(out, self._current.parsed, record, strict=True)
        return out.getvalue()

    def decode(self, data: bytes) -> dict[str, Any]:
        """The record in the current schema, whatever version wrote it. Raises `DecodeError`."""
        number, body = split(data)
        try:
            writer = self._store.by_id(number)
        except KeyError:
            raise DecodeError(f"schema id {number} is not known; this subject is {self._current.subject}") from None
        if writer.subject != self._current.subject:
            raise DecodeError(f"schema id {number} belongs to {writer.subject}, not to {self._current.subject}")
        return decode_avro(body, writer, self._current)


def decode_avro(body: memoryview, writer: RegisteredSchema, reader: RegisteredSchema) -> dict[str, Any]:
    """One Avro value, read through the reader's schema. Raises `DecodeError`."""
    source = io.BytesIO(body)
    try:
        same = writer.schema_id == reader.schema_id
        record = fastavro.schemaless_reader(source, writer.parsed, None if same else reader.parsed)
    except (EOFError, IndexError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise DecodeError(f"not a {reader.subject} record: {type(error).__name__}: {error}") from error
    if source.tell() != len(body):
        raise DecodeError(f"{len(body) - source.tell()} bytes are left over behind the {reader.subject} record")
    if not isinstance(record, dict):
        raise DecodeError(f"not a {reader.subject} record")
    return record
