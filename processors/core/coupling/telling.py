"""What a coupling says: its signals, with the evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from processors.core.coupling.coupling import Coupling
from processors.core.coupling.episodes import Episode
from processors.core.coupling.instance import Instance
from processors.core.coupling.places import common_zone, distance_m
from processors.core.evidence import hashed
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Snapshot

MOST_TOLD = 50
"""Signals that the evidence describes; of a larger group it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What made the engine look: event time, log time, and place in the log of signals."""

    at: int
    log_time: int
    partition: int = 0
    offset: int = 0


def alert_id_of(coupling: Coupling, group: Sequence[Episode], onset_at: int, run: str, taken: Collection[str]) -> str:
    """A hash of coupling, scope and onset; a second place in the same scope that begins in the same ms gets another."""
    signals = [one for one in group if one.type != "event"] or list(group)
    scope = [common_zone([one.zone for one in signals])]
    if coupling.same == "asset":
        scope += sorted({one.asset_id for one in signals})
    number = 0
    while True:
        found = hashed("coupled", coupling.id, "/".join(scope), str(onset_at), run, *([str(number)] if number else []))
        if found not in taken:
            return found
        number += 1


def tell(
    coupling: Coupling, instance: Instance, group: Sequence[Episode], transition: str, level: Level, at: int,
    cause: Cause, registry: Snapshot, ended: str = "",
) -> Signal:  # fmt: skip
    """The signal of a transition; `group` are the members and the events that contribute.

    `ended` says why, where it is cleared though the pattern still holds.
    """
    signals = [one for one in group if one.type != "event"]
    affected = sorted({one.asset_id for one in signals if one.asset_id})
    mode, _, run_id = instance.run.partition("/")
    return Signal(
        signal_id=hashed("coupling signal", instance.alert_id, str(instance.sequence)),
        rule_id=coupling.id,
        rule_version=coupling.version,
        registry_version=registry.version,
        kind="",
        sensor_id="",
        zone=common_zone([one.zone for one in signals or group]),
        asset_id=affected[0] if len(affected) == 1 else "",
        transition=transition,
        level=level,
        previous_level=instance.level,
        onset_at=instance.onset_at,
        at=at,
        sequence=instance.sequence,
        alert_id=instance.alert_id,
        value=math.nan,
        evidence=_evidence(coupling, group, affected, ended),
        mode=mode or "live",
        log_partition=cause.partition,
        log_offset=cause.offset,
        log_index=0,
        type="coupling",
        run_id=run_id,
        sensors=sorted({one.sensor_id for one in signals if one.sensor_id}),
        assets=affected,
        contributing=[one.id for one in signals],
        departments=coupling.departments_for(group),
        priority=coupling.priority,
    )


def _evidence(coupling: Coupling, group: Sequence[Episode], affected: Sequence[str], ended: str) -> str:
    told = list(group)[:MOST_TOLD]
    parts: dict[str, object] = {
        "coupling": coupling.id,
        "signals": [_describe(one) for one in told if one.type != "event"],
        "events": [_describe(one) for one in told if one.type == "event"],
        "more": len(group) - len(told),
        "from": min(one.starts_at for one in group),
        "until": max(one.starts_at for one in group),
        "metres_apart": _apart(told),
        "assets": list(affected),
        "ended": ended,
    }
    return json.dumps({name: part for name, part in parts.items() if part not in ([], None, 0, "")}, ensure_ascii=False)


def _describe(one: Episode) -> dict[str, object]:
    parts: dict[str, object] = {
        "alert_id": one.id, "rule": one.rule_id, "level": one.level.word, "since": one.starts_at,
        "cleared_at": one.cleared_at, "zone": one.zone, "sensor": one.sensor_id, "asset": one.asset_id,
        "value": round(one.value, 9) if math.isfinite(one.value) else None,
    }  # fmt: skip
    return {name: part for name, part in parts.items() if part not in ("", None)}


def _apart(group: Sequence[Episode]) -> float | None:
    """The largest distance between two of them, in whole metres; None if fewer than two have a position."""
    placed = [(one.lat, one.lon) for one in group if one.lat is not None and one.lon is not None]
    if len(placed) < 2:
        return None
    return float(round(max(distance_m(*a, *b) for a, b in combinations(placed, 2))))
