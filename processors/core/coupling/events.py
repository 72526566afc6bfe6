"""Events from outside, as signals in the log of signals: so that one log holds everything a coupling is made of."""

from __future__ import annotations

import json
import math

from processors.core.coupling.pattern import EVENT
from processors.core.evidence import hashed
from schemas.levels import Level
from schemas.records import Event, Signal

TICK = "tick"


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
    return Signal(
        signal_id=hashed(TICK, str(at)), rule_id=TICK, rule_version=0, registry_version=0, kind="", sensor_id="",
        zone="", asset_id="", transition="raised", level=Level.NONE, previous_level=Level.NONE, onset_at=at, at=at,
        sequence=1, alert_id=hashed(TICK, str(at)), value=math.nan, evidence="{}", mode="live", log_partition=0,
        log_offset=0, log_index=0, type=TICK,
    )  # fmt: skip
