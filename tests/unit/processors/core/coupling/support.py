"""Signals for tests of couplings, and couplings from a few lines of YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping

import yaml

from processors.core.coupling import CouplingSet
from processors.core.coupling.coupling import compile_coupling
from processors.core.coupling.definition import CouplingFile
from processors.core.evidence import alert_id, signal_id
from schemas.levels import Level
from schemas.records import Signal

DEPARTMENTS = {"gas.low": ("gas",), "flood.high": ("flood", "streets"), "bridge.shift": ("bridges",)}
MINUTE = 60_000


def couplings(text: str) -> CouplingSet:
    """Couplings without their texts: only what decides."""
    common = {
        "id": "coupled.test", "title": {"en": "t"}, "raise": "one above the highest", "lead_department": "emergency",
        "related": {"same": "grid"}, "source": "test", "confidence": "low",
    }  # fmt: skip
    parsed = yaml.safe_load(text)
    definitions = [common | one for one in (parsed if isinstance(parsed, list) else [parsed])]
    file = CouplingFile.model_validate({"standard": "test", "version": 3, "couplings": definitions})
    return CouplingSet(compile_coupling(one, file, DEPARTMENTS, n, "f", 1) for n, one in enumerate(file.couplings))


def story(
    rule: str, sensor: str, steps: Mapping[int, Level], *, zone: str = "c/d/s/m/g", asset_id: str = "", mode: str = "live",
    run_id: str = "", type_: str = "threshold",
) -> list[Signal]:  # fmt: skip
    """The signals of one alert; `steps` are levels by minute, `Level.NONE` clears it."""
    onset = min(steps) * MINUTE
    found, before = [], Level.NONE
    for sequence, (minute, level) in enumerate(sorted(steps.items()), 1):
        transition = "cleared" if level is Level.NONE else "raised" if sequence == 1 else "changed"
        found.append(
            Signal(
                signal_id(rule, sensor, sequence, run_id),
                rule,
                1,
                0,
                "",
                sensor,
                zone,
                asset_id,
                transition,
                level,
                before,
                onset,
                minute * MINUTE,
                sequence,
                alert_id(rule, sensor, onset, run_id),
                math.nan,
                "{}",
                mode,
                0,
                0,
                0,
                type=type_,
                run_id=run_id,
            )
        )
        before = level
    return found
