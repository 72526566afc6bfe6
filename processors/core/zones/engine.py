"""The zone engine: the log of signals in, changes of the risk index and signals of its levels out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.core.coupling.episodes import run_of
from processors.core.evidence import hashed
from processors.core.zones.standard import ZoneStandard
from schemas.levels import Level
from schemas.records import Signal, ZoneRisk
from schemas.registry import zone_at

RULE = "zone.risk"
KEEP_MS = 3_600_000
"""So long an alert that has cleared is remembered, so that its signals are known when they come twice."""


@dataclass(slots=True)
class Open:
    """An alert that counts (level 0: it has cleared)."""

    run: str
    zone: str
    domain: str
    level: int
    sequence: int
    ended_at: int = 0


@dataclass(slots=True)
class Zone:
    """A zone's open signals and what was last said about it."""

    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    index: float = 0.0
    level: Level = Level.NONE
    sequence: int = 0
    at: int = 0
    alert_id: str = ""
    onset_at: int = 0
    alert_sequence: int = 0


class ZoneEngine:
    """Keeps the index of every zone that has, or had, an open signal.

    Only signals of rules at sensors count: couplings are in the association factors, data faults are no risk.
    """

    def __init__(self, standard: ZoneStandard) -> None:
        self.standard = standard
        self._open: dict[str, Open] = {}
        self._zones: dict[tuple[str, str], Zone] = {}
        self._swept_at = 0

    def signal(
        self, signal: Signal, log_time: int, partition: int = 0, offset: int = 0
    ) -> tuple[list[ZoneRisk], list[Signal]]:
        """Take the next signal of the log; the zones whose index changed, and the signals of changed levels."""
        self._sweep(log_time)
        domain = signal.rule_id.partition(".")[0]
        if signal.type != "threshold" or not self.standard.domains.get(domain):
            return [], []
        known = self._open.get(signal.alert_id)
        if (known is None and signal.transition == "cleared") or (known and signal.sequence <= known.sequence):
            return [], []
        before = known.level if known else 0
        now = Open(run_of(signal), signal.zone, domain, int(signal.level), signal.sequence)
        if signal.transition == "cleared":
            now.level, now.ended_at = 0, log_time
        elif known:
            now.zone = known.zone  # a sensor that is moved stays where its alert began
        self._open[signal.alert_id] = now
        zone_path = known.zone if known else signal.zone
        risks, signals = [], []
        for zone_level in self.standard.scale:
            if path := zone_at(zone_path, zone_level):
                risk, told = self._count(
                    now.run, path, zone_level, domain, before, now.level, signal, partition, offset
                )
                risks += risk
                signals += told
        return risks, signals

    def _count(
        self, run: str, path: str, zone_level: str, domain: str, before: int, after: int, signal: Signal,
        partition: int, offset: int,
    ) -> tuple[list[ZoneRisk], list[Signal]]:  # fmt: skip
        zone = self._zones.setdefault((run, path), Zone())
        for level, change in ((before, -1), (after, 1)):
            if level:
                number = zone.counts.get((domain, level), 0) + change
                zone.counts[domain, level] = number
                if not number:
                    del zone.counts[domain, level]
        index = self.standard.index(zone.counts, zone_level)
        level_now = self.standard.level(index, zone.level)
        moved = abs(index - zone.index) >= self.standard.step or (index == 0.0 and zone.index > 0.0)
        if not moved and level_now == zone.level:
            return [], []
        zone.at = max(zone.at, signal.at)
        evidence = self._evidence(zone, index)
        signals = []
        if level_now != zone.level:
            signals.append(self._signal(run, path, zone, level_now, index, evidence, signal, partition, offset))
        zone.index, zone.level = index, level_now
        zone.sequence += 1
        mode, _, run_id = run.partition("/")
        risk = ZoneRisk(path, index, level_now, zone.at, evidence, zone.sequence, mode or "live", run_id)
        return [risk], signals

    def _signal(
        self, run: str, path: str, zone: Zone, level: Level, index: float, evidence: str, cause: Signal,
        partition: int, offset: int,
    ) -> Signal:  # fmt: skip
        transition = "cleared" if level is Level.NONE else "changed" if zone.level else "raised"
        if transition == "raised":
            # the sequence of the zone keeps two onsets of the same millisecond apart
            zone.onset_at, zone.alert_sequence = zone.at, 0
            zone.alert_id = hashed("zone", path, str(zone.at), str(zone.sequence), run)
        zone.alert_sequence += 1
        mode, _, run_id = run.partition("/")
        return Signal(
            signal_id=hashed("zone signal", zone.alert_id, str(zone.alert_sequence)), rule_id=RULE,
            rule_version=self.standard.version, registry_version=cause.registry_version, kind="", sensor_id="",
            zone=path, asset_id="", transition=transition, level=level, previous_level=zone.level,
            onset_at=zone.onset_at, at=zone.at, sequence=zone.alert_sequence, alert_id=zone.alert_id, value=index,
            evidence=evidence, mode=mode or "live", log_partition=partition, log_offset=offset, log_index=0,
            type="index", run_id=run_id,
            departments=[self.standard.lead_department, *self.standard.departments],
        )  # fmt: skip

    def _evidence(self, zone: Zone, index: float) -> str:
        open_: dict[str, dict[str, int]] = {}
        for (domain, level), number in sorted(zone.counts.items()):
            open_.setdefault(domain, {})[Level(level).word] = number
        return json.dumps({"index": index, "open": open_, "standard": self.standard.version})

    def _sweep(self, log_time: int) -> None:
        if log_time < self._swept_at + KEEP_MS // 4:
            return
        self._swept_at = log_time
        ended = [name for name, one in self._open.items() if not one.level and one.ended_at + KEEP_MS < log_time]
        for name in ended:
            del self._open[name]

    def export(self) -> dict[str, Any]:
        """The whole state as plain values."""
        return {
            "swept_at": self._swept_at,
            "open": {name: [one.run, one.zone, one.domain, one.level, one.sequence, one.ended_at]
                     for name, one in self._open.items()},
            "zones": [
                [run, path, [[d, lv, n] for (d, lv), n in zone.counts.items()], zone.index, int(zone.level),
                 zone.sequence, zone.at, zone.alert_id, zone.onset_at, zone.alert_sequence]
                for (run, path), zone in self._zones.items()
            ],
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put exported state into a new engine."""
        self._swept_at = int(state["swept_at"])
        self._open = {name: Open(*values) for name, values in state["open"].items()}
        for run, path, counts, index, level, *rest in state["zones"]:
            numbers = {(domain, lv): number for domain, lv, number in counts}
            self._zones[run, path] = Zone(numbers, index, Level(level), *rest)
