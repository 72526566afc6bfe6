"""The read API of the Confluent Schema Registry, so that a stock AvroDeserializer needs no registry to run."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ingest.http_answers import Refused, encode
from schemas.wire import RegisteredSchema, SchemaStore

CONTENT_TYPE = b"application/vnd.schemaregistry.v1+json"

_SCHEMA = re.compile(r"/schemas/ids/([^/]+)(/schema|/versions|/subjects)?")
_SUBJECT = re.compile(r"/subjects/([^/]+)/versions(?:/([^/]+)(/schema)?)?")


def schema_registry(store: SchemaStore, path: str) -> bytes | None:
    """The answer to a GET; None for a path that is not of this API. Raises Refused (404, 422) with its error codes."""
    if path == "/schemas/types":
        return encode(["AVRO"])
    if path == "/subjects":
        return encode(store.subjects())
    if path == "/config":
        return encode({"compatibilityLevel": "FULL"})
    match = _SCHEMA.fullmatch(path)
    if match:
        return _by_id(store, match[1], match[2] or "")
    match = _SUBJECT.fullmatch(path)
    if match:
        return _by_subject(store, unquote(match[1]), match[2], bool(match[3]))
    return None


def _by_id(store: SchemaStore, number: str, part: str) -> bytes:
    try:
        schema = store.by_id(int(number))
    except (KeyError, ValueError):
        raise Refused(404, "40403", f"schema {number[:40]} not found") from None
    if part == "/schema":
        return schema.text.encode()
    if part == "/versions":
        return encode([{"subject": schema.subject, "version": schema.version}])
    if part == "/subjects":
        return encode([schema.subject])
    return encode({"schema": schema.text})


def _by_subject(store: SchemaStore, subject: str, version: str | None, bare: bool) -> bytes:
    try:
        versions = store.versions(subject)
    except KeyError:
        raise Refused(404, "40401", f"subject {subject[:100]!r} not found") from None
    if version is None:
        return encode([schema.version for schema in versions])
    schema = _version(versions, version)
    if bare:
        return schema.text.encode()
    return encode({"subject": schema.subject, "version": schema.version, "id": schema.schema_id, "schema": schema.text})


def _version(versions: list[RegisteredSchema], version: str) -> RegisteredSchema:
    if version == "latest":
        return versions[-1]
    for schema in versions:
        if str(schema.version) == version:
            return schema
    raise Refused(404, "40402", f"version {version[:20]!r} not found")
