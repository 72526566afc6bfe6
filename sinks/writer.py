"""Inserts into ClickHouse, one block at a time."""

from __future__ import annotations

import contextlib
import logging
import time

from runtime.metrics import SINK_INSERT_SECONDS, SINK_RETRIES, SINK_ROWS
from runtime.settings import Settings
from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError, connect, insert, query
from sinks.feeds import DICTIONARIES_OF
from sinks.ranges import Insert

log = logging.getLogger(__name__)


class Writer:
    """Writes blocks through one connection, which it makes anew after any failure."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect(settings)

    def write(self, block: Insert) -> None:
        """Returns when ClickHouse has the block. Raises `ClickHouseAwayError`, `ClickHouseRefusedError`."""
        started = time.monotonic()
        try:
            rows = insert(self._client, block.table, block.columns, block.token)
        except (ClickHouseAwayError, ClickHouseRefusedError):
            SINK_RETRIES.labels(block.table).inc()
            self.close()
            raise
        SINK_INSERT_SECONDS.labels(block.table).observe(time.monotonic() - started)
        SINK_ROWS.labels(block.table).inc(rows)
        for dictionary in DICTIONARIES_OF.get(block.table, ()):
            self._reload(dictionary)

    def check(self) -> None:
        """Raises `ClickHouseAwayError`, `ClickHouseRefusedError` if it cannot be asked anything."""
        query(self._client, "SELECT 1")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._client.disconnect()

    def _reload(self, dictionary: str) -> None:
        try:
            query(self._client, f"SYSTEM RELOAD DICTIONARY {dictionary}")
        except (ClickHouseAwayError, ClickHouseRefusedError) as error:
            # it reads its tables anew by itself within a minute
            log.warning("dictionary %s was not reloaded at once: %s", dictionary, error)
