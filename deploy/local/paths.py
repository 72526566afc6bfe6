"""Where the local stack finds its programs, and where it keeps its data."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = Path(".riskstream")


class NotInstalledError(Exception):
    """A program of the local stack is absent; the message names it and the command that installs it."""


def cache_dir() -> Path:
    """The folder that `make setup` fills with downloads (`RISKSTREAM_CACHE`, or `.cache` of the checkout)."""
    return Path(os.environ.get("RISKSTREAM_CACHE") or ROOT / ".cache")


def kafka_jars() -> Path:
    """The folder of Kafka's jars; raises NotInstalledError when `make setup` has not fetched them."""
    folder = cache_dir() / "kafka"
    if not any(folder.glob("kafka_2.13-*.jar")):
        raise NotInstalledError(f"Kafka's jars are not in {folder}: run `make setup`")
    return folder


def clickhouse_library() -> Path:
    """`libchdb.so`, the ClickHouse engine; raises NotInstalledError when `make setup` has not fetched it."""
    library = cache_dir() / "clickhouse/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"
    if not library.is_file():
        raise NotInstalledError(f"the ClickHouse engine is not at {library}: run `make setup`")
    return library


def program(name: str, what: str) -> str:
    """The full path of a program on PATH (or in the sbin folders, where Debian puts daemons)."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/sbin", "/usr/sbin"]
    for folder in folders:
        candidate = Path(folder or ".") / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate.resolve())
    raise NotInstalledError(f"{what} needs the program {name!r}, which is not on PATH: run `make setup`")


def java() -> str:
    """The Java launcher: that of JAVA_HOME, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin/java").is_file():
        return str(Path(home) / "bin/java")
    return program("java", "Kafka")
