"""Alerts from signals: a step from the alert as it stands and a signal to the alert after it.

One signal makes one event of one alert. The step is pure: the alert's id is the signal's (a hash of rule, sensor and
onset), the event's sequence too, so that whatever is published twice is known by its sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.records import Alert, Signal


class AlertTexts(Protocol):
    """What a rule says about its alerts. `departments` has the lead first."""

    @property
    def title(self) -> Mapping[str, str]: ...
    @property
    def advice(self) -> Mapping[str, str]: ...
    @property
    def departments(self) -> Sequence[str]: ...


def step(alert: Alert | None, signal: Signal, texts: AlertTexts) -> Alert | None:
    """The alert after `signal`; None if the signal is already in it.

    `alert` is the newest event of `signal.alert_id`, or None if there is none yet. An alert whose first signal was not
    seen (its topic was cut) starts from the one that is: nothing raised is kept from people.
    """
    if alert is not None and signal.sequence <= alert.sequence:
        return None
    cleared = signal.transition == "cleared"
    # when cleared, the level stays what it was last
    level = signal.previous_level if cleared else signal.level
    departments = list(texts.departments)
    return Alert(
        alert_id=signal.alert_id,
        sequence=signal.sequence,
        event=signal.transition,
        type="threshold",
        level=level,
        highest_level=max(level, alert.highest_level) if alert else max(level, signal.previous_level),
        status=alert.status if alert else "raised",
        cleared=cleared,
        rule_id=signal.rule_id,
        rule_version=signal.rule_version,
        registry_version=signal.registry_version,
        kind=signal.kind,
        zone=signal.zone,
        lead_department=departments[0] if departments else "",
        departments=departments,
        owner=alert.owner if alert else "",
        sensors=[signal.sensor_id],
        assets=[signal.asset_id] if signal.asset_id else [],
        title=dict(texts.title),
        advice=dict(texts.advice),
        onset_at=signal.onset_at,
        raised_at=alert.raised_at if alert else signal.at,
        published_at=0,
        updated_at=signal.at,
        due_at=alert.due_at if alert else None,
        overdue=alert.overdue if alert else False,
        escalated_to=alert.escalated_to if alert else "",
        value=signal.value,
        evidence=signal.evidence,
        mode=signal.mode,
    )
