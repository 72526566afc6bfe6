"""Why a signal was given, and the ids of signals and alerts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

from processors.core.expression.evaluate import Value
from processors.core.frame import Rows
from processors.core.rule import Rule
from schemas.levels import LEVELS


def evidence(rule: Rule, at_row: Rows, value: Value, limits: Mapping[str, Value]) -> str:
    """JSON text: the rule's value, its thresholds, and every number that the value was made of.

    `at_row` has one row. Numbers are rounded to 9 decimals, and the same log gives the same text.
    """
    thresholds: dict[str, dict[str, float | None]] = {}
    for threshold in rule.thresholds:
        word = LEVELS[threshold.level - 1].word
        thresholds.setdefault(word, {})[threshold.comparison] = _plain(limits[threshold.column])
    parts: dict[str, object] = {"expression": rule.value_text} if rule.value_text else {}
    parts["value"] = _plain(value)
    if rule.unit:
        parts["unit"] = rule.unit
    parts["thresholds"] = thresholds
    parts["windows"] = {str(key): _plain(at_row.window(key)) for key in sorted(rule.needs.windows)}
    parts["fields"] = {name: _plain(at_row.field(name)) for name in sorted(rule.needs.fields)}
    attributes = sorted(rule.needs.attributes | rule.needs.optional)
    parts["attributes"] = {name: _plain(at_row.attribute(name)) for name in attributes}
    for name, function in rule.evidence.items():
        parts[name] = _plain(function(at_row))
    return json.dumps({name: part for name, part in parts.items() if part not in ({}, None)}, ensure_ascii=False)


def _plain(value: Value) -> float | None:
    number = float(value if getattr(value, "ndim", 0) == 0 else value[0])  # type: ignore[index]
    return round(number, 9) if math.isfinite(number) else None


def alert_id(rule_id: str, sensor_id: str, onset_at: int, run: str) -> str:
    """The same rule, sensor and onset give the same alert; an exercise's alerts are its own."""
    return hashed("alert", rule_id, sensor_id, str(onset_at), run)


def signal_id(rule_id: str, sensor_id: str, sequence: int, run: str) -> str:
    return hashed("signal", rule_id, sensor_id, str(sequence), run)


def hashed(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
