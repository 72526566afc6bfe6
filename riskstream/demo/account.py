"""Counts what a play left in ClickHouse: rows and rejects against what stood there before."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from riskstream.clickhouse_http import ask
from riskstream.demo import queries
from riskstream.devices.counts import Counts
from runtime.settings import Settings
from schemas.kinds import load_kinds


class Account:
    """Call `open` before the play and `wait_for` after it; nobody else may send meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kinds = load_kinds(*settings.kinds_dirs)
        self._before = (Counter[str](), Counter[str]())
        self.since = 0

    def open(self) -> None:
        self._before = self._count()
        self.since = round(time.time() * 1000)

    def wait_for(self, counts: Counts, timeout_s: float = 30) -> tuple[Counter[str], Counter[str]]:
        """Stored by kind and rejected by reason since `open`, when all that was sent is there or time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            stored, rejected = (new - old for new, old in zip(self._count(), self._before, strict=True))
            if stored.total() + rejected.total() >= counts.sent or time.monotonic() > deadline:
                return stored, rejected
            time.sleep(0.2)

    def alerts(self) -> list[list[Any]]:
        """Alerts since `open`: level, rule, how many, how many of them cleared."""
        return self.rows(queries.ALERTS.format(since=self.since))

    def latency(self) -> tuple[int, float, float]:
        """Alert events, and the p50 and p99 of ms from the receipt of a reading to its alert event."""
        count, p50, p99 = self.rows(queries.latencies(self._kinds, self.since))[0]
        return int(count), float(p50 or 0), float(p99 or 0)

    def rows(self, sql: str) -> list[list[Any]]:
        answer = ask(self._settings, sql, "JSONCompact")
        data: list[list[Any]] = json.loads(answer.text)["data"]
        return data

    def _count(self) -> tuple[Counter[str], Counter[str]]:
        stored = self.rows(queries.stored_counts(self._kinds.values()))
        return Counter({kind: int(rows) for kind, rows in stored}), Counter(
            {reason: int(rows) for reason, rows in self.rows(queries.REJECTED)}
        )
