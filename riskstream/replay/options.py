"""What a replay was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

EVER_MS = 253_370_764_800_000  # the year 9999


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    files: tuple[Path, ...]
    rules: tuple[Path, ...]
    compare: Path | None
    compare_unchanged: bool
    label: Path | None
    kind: str | None
    sensor: str | None
    layout: Mapping[str, Any]
    registry: Path | None
    from_clickhouse: bool
    since: datetime | None
    until: datetime | None
    report_since: datetime | None
    report_until: datetime | None
    zone: str
    simulate: bool
    scenario: str | None
    start: datetime
    duration: float
    seed: int
    rate: float
    scale: Mapping[str, float]
    shift: Mapping[str, float]
    out: Path | None
    out_format: str
    show: str | None
    zone_level: str
    form: str | None

    def check(self) -> None:
        """Raises click.UsageError for options that do not go together."""
        sources = [bool(self.files), self.from_clickhouse, self.simulate]
        if sum(sources) != 1:
            raise click.UsageError("give FILES, --from-clickhouse or --scenario, one of them")
        if self.sensor and not (self.kind and self.files):
            raise click.UsageError("--sensor says whose recordings FILES are, and needs --kind")
        if (self.since or self.until or self.zone) and not self.from_clickhouse:
            raise click.UsageError("--since, --until and --zone need --from-clickhouse")
        if self.compare_unchanged and (self.compare or not (self.scale or self.shift)):
            raise click.UsageError(
                "--compare-unchanged needs --scale-field or --shift-field and goes without --compare"
            )
        if self.show in ("comparison", "changes") and not (self.compare or self.compare_unchanged):
            raise click.UsageError(f"--show {self.show} needs --compare or --compare-unchanged")
        if self.show == "events" and not self.label:
            raise click.UsageError("--show events needs --label")


def ms(time: datetime | None) -> int | None:
    """Epoch milliseconds; None for none."""
    return None if time is None else round(time.timestamp() * 1000)
