"""Alerts from signals: a step from the alert as it stands and a signal to the alert after it.

The steps are pure. An alert's events count 1, 2, … of their own; `signal_sequence` remembers the last signal that is in
it, so that a signal that comes twice is known, after a restart too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.records import Alert, Signal

ALERTING = frozenset({"threshold", "no_data", "coupling", "index"})
"""Types of signals that make alerts; `event` and `tick` are only marks in the log."""


class AlertTexts(Protocol):
    """What a rule says about its alerts. `departments` has the lead first."""

    @property
    def title(self) -> Mapping[str, str]: ...
    @property
    def advice(self) -> Mapping[str, str]: ...
    @property
    def departments(self) -> Sequence[str]: ...


def step(alert: Alert | None, signal: Signal, texts: AlertTexts) -> Alert | None:
    """The alert after `signal`; None if the signal is already in it, or makes no alert.

    `alert` is the newest event of `signal.alert_id`, or None if there is none yet. An alert whose first signal was not
    seen (its topic was cut) starts from the one that is: nothing raised is kept from people.
    """
    if signal.type not in ALERTING or (alert is not None and signal.sequence <= alert.signal_sequence):
        return None
    cleared = signal.transition == "cleared"
    # when cleared, the level stays what it was last
    level = signal.previous_level if cleared else signal.level
    departments = list(signal.departments or texts.departments)
    if alert is not None:  # who once got it hears how it ends
        departments += [one for one in alert.departments if one not in departments]
    return Alert(
        alert_id=signal.alert_id,
        sequence=alert.sequence + 1 if alert else 1,
        event="linked" if signal.transition == "joined" else signal.transition,
        type=signal.type,
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
        sensors=list(signal.sensors) or ([signal.sensor_id] if signal.sensor_id else []),
        assets=list(signal.assets) or ([signal.asset_id] if signal.asset_id else []),
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
        part_of=list(alert.part_of) if alert else [],
        signal_sequence=signal.sequence,
        priority=signal.priority,
    )


def link(alert: Alert, coupled: Signal) -> Alert | None:
    """A contributing alert after a coupling's signal named it; None if it is linked to that coupled alert already."""
    if coupled.alert_id in alert.part_of:
        return None
    return dataclasses.replace(
        alert,
        sequence=alert.sequence + 1,
        event="linked",
        part_of=[*alert.part_of, coupled.alert_id],
        updated_at=max(alert.updated_at, coupled.at),
        published_at=0,
    )
