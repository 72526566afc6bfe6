"""What else stands in the log of signals, as signals: so that one log holds everything that couplings are made of.

Events from outside are of type `event`. Marks of the log itself are of type `tick`: time has come so far, or (with the
rule id `rules`) other standards are in force from here on.
"""

from __future__ import annotations

import json
import math

from processors.core.coupling.pattern import EVENT
from processors.core.evidence import hashed
from schemas.levels import Level
from schemas.records import Event, Signal

TICK = "tick"
RULES = "rules"


def event_signal(event: Event, partition: int, offset: int) -> Signal:
    """The signal of the event that stands at this place in the topic `events`.

    An event sent again with the same id replaces it: its place in the topic is the sequence.
    """
    run = "" if event.mode == "live" else f"{event.mode}/{event.run_id}"
    alert_id = hashed("event", event.event_id, run)
    told = {
        "event_id": event.event_id, "type": event.type, "source": event.source, "valid_from": event.valid_from,
        "valid_until": event.valid_until, **({"polygon": event.polygon} if event.polygon else {}),
    }  # fmt: skip
    return Signal(
        signal_id=hashed("event", event.event_id, str(offset), run), rule_id=f"{EVENT}{event.type}", rule_version=0,
        registry_version=0, kind="", sensor_id=event.event_id, zone=event.zone, asset_id="", transition="raised",
        level=event.level, previous_level=Level.NONE, onset_at=event.valid_from, at=event.valid_from,
        sequence=offset + 1, alert_id=alert_id, value=math.nan, evidence=json.dumps(told, ensure_ascii=False),
        mode=event.mode, log_partition=partition, log_offset=offset, log_index=0, type="event", run_id=event.run_id,
    )  # fmt: skip


def tick_signal(at: int) -> Signal:
    """A mark that time has come to `at`: whoever waits for something that did not come goes on."""
    return _mark(TICK, 0, at)


def rules_signal(version: int, at: int) -> Signal:
    """A mark that from here on this version of `registry.rules` is in force."""
    return _mark(RULES, version, at)


def rules_version(signal: Signal) -> int:
    """The version that a signal puts into force; 0 if it is no such mark."""
    return signal.rule_version if signal.type == TICK and signal.rule_id == RULES else 0


def _mark(word: str, version: int, at: int) -> Signal:
    mark_id = hashed(word, str(version), str(at)) if version else hashed(word, str(at))
    return Signal(
        signal_id=mark_id, rule_id=word, rule_version=version, registry_version=0, kind="", sensor_id="", zone="",
        asset_id="", transition="raised", level=Level.NONE, previous_level=Level.NONE, onset_at=at, at=at, sequence=1,
        alert_id=mark_id, value=math.nan, evidence="{}", mode="live", log_partition=0, log_offset=0, log_index=0,
        type=TICK,
    )  # fmt: skip
