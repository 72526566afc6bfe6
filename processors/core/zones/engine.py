"""The zone engine: the log of signals in, changes of the risk index and signals of its levels out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


class _Cause(NamedTuple):
    """What made the engine look at a zone: event time, registry, and place in the log of signals."""

    at: int
    registry_version: int
    partition: int
    offset: int


Said = tuple[list[ZoneRisk], list[Signal]]


class ZoneEngine:
    """Keeps the index of every zone that has, or had, an open signal.

    Only signals of rules at sensors count: couplings are in the association factors, data faults are no risk.
    """

    def __init__(self, standard: ZoneStandard) -> None:
        self.standard = standard
        self._open: dict[str, Open] = {}
        self._zones: dict[tuple[str, str], Zone] = {}
        self._swept_at = 0

    def signal(self, signal: Signal, log_time: int, partition: int = 0, offset: int = 0) -> Said:
        """Take the next signal of the log; the zones whose index changed, and the signals of changed levels."""
        self._sweep(log_time)
        if signal.type != "threshold":
            return [], []
        known = self._open.get(signal.alert_id)
        if (known is None and signal.transition == "cleared") or (known and signal.sequence <= known.sequence):
            return [], []
        before = known.level if known else 0
        domain = signal.rule_id.partition(".")[0]
        # a sensor that is moved stays where its alert began
        zone_path = known.zone if known else signal.zone
        now = Open(run_of(signal), zone_path, domain, int(signal.level), signal.sequence)
        if signal.transition == "cleared":
            now.level, now.ended_at = 0, log_time
        self._open[signal.alert_id] = now
        cause = _Cause(signal.at, signal.registry_version, partition, offset)
        risks, signals = [], []
        for zone_level, path in self._zones_of(now):
            zone = self._zones.setdefault((now.run, path), Zone())
            _count(zone, domain, before, -1)
            _count(zone, domain, now.level, 1)
            risk, told = self._judge(now.run, path, zone, self.standard.index(zone.counts, zone_level), cause)
            risks += risk
            signals += told
        return risks, signals

    def set_standard(
        self, standard: ZoneStandard, log_time: int, registry_version: int, partition: int = 0, offset: int = 0
    ) -> Said:
        """Grade by another standard from the record at this place on; what has changed by it.

        What is open is counted anew, by the new zone levels and domains, and every zone is graded at once: open alerts
        stay, with their onset, and move by the new thresholds and hysteresis from the level that they have. Zones of
        levels that have no index any more fall to 0, and their alerts are cleared.
        """
        if standard == self.standard:
            return [], []
        self.standard = standard
        for zone in self._zones.values():
            zone.counts.clear()
        levels = {}
        for one in self._open.values():
            for zone_level, path in self._zones_of(one) if one.level else ():
                _count(self._zones.setdefault((one.run, path), Zone()), one.domain, one.level, 1)
                levels[path] = zone_level
        cause = _Cause(log_time, registry_version, partition, offset)
        risks, signals = [], []
        for (run, path), zone in sorted(self._zones.items()):
            index = standard.index(zone.counts, levels[path]) if zone.counts else 0.0
            risk, told = self._judge(run, path, zone, index, cause)
            risks += risk
            signals += told
        return risks, signals

    def _zones_of(self, one: Open) -> list[tuple[str, str]]:
        """Level and path of the zones that count an alert."""
        if not self.standard.domains.get(one.domain):
            return []
        return [(level, path) for level in self.standard.scale if (path := zone_at(one.zone, level))]

    def _judge(self, run: str, path: str, zone: Zone, index: float, cause: _Cause) -> Said:
        level_now = self.standard.level(index, zone.level)
        moved = abs(index - zone.index) >= self.standard.step or (index == 0.0 and zone.index > 0.0)
        if not moved and level_now == zone.level:
            return [], []
        zone.at = max(zone.at, cause.at)
        evidence = self._evidence(zone, index)
        signals = []
        if level_now != zone.level:
            signals.append(self._signal(run, path, zone, level_now, index, evidence, cause))
        zone.index, zone.level = index, level_now
        zone.sequence += 1
        mode, _, run_id = run.partition("/")
        risk = ZoneRisk(path, index, level_now, zone.at, evidence, zone.sequence, mode or "live", run_id)
        return [risk], signals

    def _signal(
        self, run: str, path: str, zone: Zone, level: Level, index: float, evidence: str, cause: _Cause
    ) -> Signal:
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
            evidence=evidence, mode=mode or "live", log_partition=cause.partition, log_offset=cause.offset, log_index=0,
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


def _count(zone: Zone, domain: str, level: int, change: int) -> None:
    if not level:
        return
    zone.counts[domain, level] = zone.counts.get((domain, level), 0) + change
    if not zone.counts[domain, level]:
        del zone.counts[domain, level]
