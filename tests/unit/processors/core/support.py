"""A small kind, sensors and batches for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from processors.core.compile import compile_rule
from processors.core.definition import RuleDefinition, RuleFile
from processors.core.engine import Engine
from processors.core.rule import Rule
from processors.core.rules import RuleSet
from schemas.batch import Batch, Mode
from schemas.kinds import Kind, parse_kind
from schemas.registry import Sensor, Snapshot

T0 = 1_767_225_600_000

KIND: Kind = parse_kind(
    {
        "type": "record",
        "name": "probe",
        "doc": "A kind for tests.",
        "period_s": 10,
        "max_delay_s": 120,
        "fields": [
            {"name": "sensor_id", "type": "string"},
            {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "a", "type": "double", "doc": "a", "unit": "1", "min": -1000, "max": 1000, "resolution": 0.1},
            {"name": "b", "type": ["null", "double"], "default": None, "doc": "b", "unit": "1",
             "min": -1000, "max": 1000, "resolution": 0.5},
        ],
    },
    "probe",
)  # fmt: skip


def compiled(text: str) -> list[tuple[Rule, RuleDefinition]]:
    """Rules from the YAML of a list of rules; what every rule must say is filled in."""
    common = {"kind": "probe", "departments": ["gas"], "source": "test", "confidence": "low"}
    entries = [{**common, **entry} for entry in yaml.safe_load(text)]
    file = RuleFile.model_validate({"standard": "test", "version": 1, "rules": entries})
    return [
        (compile_rule(rule, file, {"probe": KIND}, order, "test.yaml", 1), rule)
        for order, rule in enumerate(file.rules)
    ]


def rule_set(text: str) -> RuleSet:
    return RuleSet(tuple(rule for rule, _ in compiled(text)))


def registry(sensors: Mapping[str, Mapping[str, Any]], version: int = 1) -> Snapshot:
    """Sensors of the test kind by id, each with its attributes; `profile` among them is the profile."""
    return Snapshot(
        version,
        {
            name: Sensor(
                name, "probe", name, "c/d", "gas", profile=str(given.get("profile", "")),
                attributes={k: v for k, v in given.items() if k != "profile"},
            )
            for name, given in sensors.items()
        },
        {},
    )  # fmt: skip


def batch(
    readings: Sequence[tuple[str, int, float, float]],
    mode: Mode = Mode.LIVE,
    late: Iterable[bool] = (),
    run_id: str = "",
) -> Batch:
    """Readings `(sensor, time in ms after T0, a, b)` in log order."""
    ids = list(dict.fromkeys(name for name, *_ in readings))
    flags = list(late) or [False] * len(readings)
    return Batch(
        "probe", "gateway", "test", mode, run_id, T0, ids,
        np.array([ids.index(name) for name, *_ in readings], np.int32),
        np.array([T0 + time for _, time, _, _ in readings], np.int64), np.array(flags, np.bool_),
        {"a": np.array([r[2] for r in readings], float), "b": np.array([r[3] for r in readings], float)},
    )  # fmt: skip


def values(
    function: str,
    readings: Sequence[tuple[float, float]],
    period_s: float = 10,
    cut: int = 0,
    timezone: str = "UTC",
) -> list[float]:
    """The function after each reading (seconds after T0, value), NaN where it has none; in batches of `cut`."""
    rules = RuleSet(rule_set(f"- {{id: t.v, value: '{function}', above: {{blue: -100000}}}}").rules, timezone=timezone)
    engine = Engine(KIND, rules, registry({"s": {"period_s": period_s}}), 0)
    seen: list[float] = []
    machine = engine._machines[0]

    def watch(frame, judgement):  # type: ignore[no-untyped-def]
        seen.extend(np.broadcast_to(judgement.value, (len(frame),)).tolist())
        return iter(())

    machine.run = watch  # type: ignore[method-assign]
    log = [("s", round(second * 1000), value, value) for second, value in readings]
    for start in range(0, len(log), cut or len(log)):
        engine.process(batch(log[start : start + (cut or len(log))], Mode.LIVE), 0, 0)
    return seen
