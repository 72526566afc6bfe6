"""The oracle: what was acknowledged is stored once, nothing else is, and the alerts are those of a replay.

It asks three witnesses: the devices' ledger, the log in Kafka, and ClickHouse. None of them is believed for itself:
readings are counted in ClickHouse row by row (no FINAL, no DISTINCT), and the alerts that were published are compared
with what the engine makes of the log, read once from Kafka and once from ClickHouse.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from processors.core.alerts import step
from processors.replay.play import InForce, Player
from processors.standard_files import load_standard
from runtime.settings import Settings
from schemas.batch import BatchCodec
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.log import LogRecord
from schemas.records import Alert, Signal
from schemas.registry import EMPTY, Snapshot
from schemas.wire import DecodeError
from sinks.clickhouse import connect, query
from sinks.history import History, Span
from tests.chaos.ledger import FIELD, KIND, Key, Ledger
from tests.chaos.logs import Found, read_topic

KINDS = load_kinds()
EVER = Span(0, 2**42)

Stored = dict[Key, tuple[float, int]]
"""Value and number of rows of each reading."""


@dataclass
class Verdict:
    """What the oracle found; each list names the first few for whoever has to look."""

    readings: int = 0
    lost: list[Key] = field(default_factory=list)
    doubled: int = 0
    """Rows beyond the first of a reading."""
    strange: list[Key] = field(default_factory=list)
    """Stored, though never sent or refused, or with another value than was sent."""
    alerts: int = 0
    """Alert events that the log gives."""
    alerts_missed: list[str] = field(default_factory=list)
    alerts_doubled: list[str] = field(default_factory=list)
    """Events that should not be there: of no alert of the replay, or a second one of the same place in the sequence."""
    repeats: int = 0
    """Events that were published again, equal to the bit: their sequence tells every consumer to pass over them."""
    differences: list[str] = field(default_factory=list)
    """Where Kafka, ClickHouse and the signals do not tell the same story."""

    @property
    def holds(self) -> bool:
        wrong = (self.lost, self.doubled, self.strange, self.alerts_missed, self.alerts_doubled, self.differences)
        return not any(wrong)


def stored_readings(settings: Settings) -> Stored:
    client = connect(settings)
    try:
        rows = query(
            client,
            f"SELECT sensor_id, toUnixTimestamp64Milli(observed_at), max({FIELD}), min({FIELD}), count() "
            f"FROM readings_{KIND} GROUP BY ALL",
        )
    finally:
        client.disconnect()
    return {(sensor, at): (high if high == low else float("nan"), n) for sensor, at, high, low, n in rows}


def judge_readings(
    sent: Mapping[Key, float],
    acknowledged: Iterable[Key],
    stored: Stored,
    verdict: Verdict,
    refused: Iterable[Key] = (),
) -> None:
    """Compare what devices know with what is stored."""
    known, told = set(acknowledged), set(refused)
    verdict.readings = len(known)
    verdict.lost = sorted(known - stored.keys())
    verdict.doubled = sum(rows - 1 for _, rows in stored.values())
    verdict.strange = sorted(key for key, (value, _) in stored.items() if sent.get(key) != value or key in told)


def replay_of_the_log(records: Sequence[Found], registries: Mapping[int, Snapshot]) -> tuple[list[Signal], Player]:
    """What the log gives, read once from its beginning; undecodable records are passed over, as the processor does."""
    player = _player(registries)
    codec = BatchCodec(KINDS)
    signals: list[Signal] = []
    for one in records:
        try:
            batch = codec.decode(one.value)
        except DecodeError:
            continue
        signals += player.take(LogRecord(KIND, one.partition, one.offset, one.time, batch, one.control))
    return signals, player


def replay_from_clickhouse(settings: Settings) -> list[Signal]:
    """What ClickHouse's copy of the log gives."""
    history = History(settings)
    try:
        standards = InForce(
            load_standard(None, KINDS, load_departments()),
            history.rules(),
            history.modes(),
            KINDS,
            load_departments(),
            settings.timezone,
        )
        player = Player(KINDS, standards, history.registry)
        found: list[Signal] = []
        for part in history.parts(KINDS, EVER):
            for record in history.records(KINDS[part.kind], part, EVER):
                found += player.take(record)
    finally:
        history.close()
    return found


def judge_signals(name: str, got: Iterable[Signal], expected: Iterable[Signal], verdict: Verdict) -> None:
    """The same signals, to the bit; a signal may be there twice."""
    wanted = {one.signal_id: _plain(one) for one in expected}
    found: dict[str, bytes] = {}
    for one in got:
        plain = _plain(one)
        if found.setdefault(one.signal_id, plain) != plain:
            verdict.differences.append(f"{name}: signal {one.signal_id} is there in two forms")
    missing, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    other = [signal_id for signal_id in wanted.keys() & found.keys() if wanted[signal_id] != found[signal_id]]
    for what, ids in (("missing", missing), ("not in the replay", more), ("different", other)):
        if ids:
            verdict.differences.append(f"{name}: {len(ids)} signals {what}, such as {min(ids)}")


def expected_alerts(signals: Iterable[Signal], player: Player) -> dict[str, list[Alert]]:
    """The events of each alert, in order."""
    events: dict[str, list[Alert]] = {}
    for signal in signals:
        before = events.get(signal.alert_id, [None])[-1]
        after = step(before, signal, player.texts(signal))
        if after is not None:
            events.setdefault(signal.alert_id, []).append(after)
    return events


def judge_alerts(got: Sequence[Alert], expected: Mapping[str, Sequence[Alert]], verdict: Verdict) -> None:
    """Each event once and in sequence; an equal repetition is counted apart."""
    wanted = {(one.alert_id, one.sequence): _plain(one) for events in expected.values() for one in events}
    verdict.alerts = len(wanted)
    newest: Counter[str] = Counter()
    seen: dict[tuple[str, int], bytes] = {}
    for one in got:
        place, plain = (one.alert_id, one.sequence), _plain(one)
        if place in seen:
            if seen[place] == plain:
                verdict.repeats += 1
            else:
                verdict.alerts_doubled.append(f"{one.alert_id} has two events {one.sequence}")
            continue
        seen[place] = plain
        if one.sequence != newest[one.alert_id] + 1:
            verdict.alerts_missed.append(f"{one.alert_id}: event {one.sequence} follows {newest[one.alert_id]}")
        newest[one.alert_id] = max(newest[one.alert_id], one.sequence)
        if place not in wanted:
            verdict.alerts_doubled.append(f"{one.alert_id} event {one.sequence} is not in the replay")
        elif wanted[place] != plain:
            verdict.differences.append(f"alert {one.alert_id} event {one.sequence} differs from the replay")
    verdict.alerts_missed += [f"{alert_id} event {n}" for alert_id, n in sorted(wanted.keys() - seen.keys())]


def judge_alert_tables(settings: Settings, expected: Mapping[str, Sequence[Alert]], verdict: Verdict) -> None:
    """The analysts' views: each event and each alert once."""
    client = connect(settings)
    try:
        ((events, different),) = query(client, "SELECT count(), uniqExact(alert_id, sequence) FROM alert_events")
        ((alerts, ids),) = query(client, "SELECT count(), uniqExact(alert_id) FROM alerts")
    finally:
        client.disconnect()
    wanted = sum(map(len, expected.values()))
    if (events, different, alerts, ids) != (wanted, wanted, len(expected), len(expected)):
        verdict.differences.append(
            f"ClickHouse: {events} alert events ({different} different), {alerts} alerts ({ids} different); "
            f"the replay gives {wanted} events of {len(expected)} alerts"
        )


def judge_everything(settings: Settings, ledger: Ledger, registries: Mapping[int, Snapshot]) -> Verdict:
    """All of it, once the services stand still."""
    verdict = Verdict()
    judge_readings(ledger.sent, ledger.acknowledged, stored_readings(settings), verdict, ledger.refused)
    signals, player = replay_of_the_log(read_topic(settings, f"readings.{KIND}"), registries)
    live = [Signal.decode(one.value) for one in read_topic(settings, "signals")]
    judge_signals("the live path", live, signals, verdict)
    judge_signals("ClickHouse's log", replay_from_clickhouse(settings), signals, verdict)
    alerts = expected_alerts(signals, player)
    judge_alerts([Alert.decode(one.value) for one in read_topic(settings, "alerts")], alerts, verdict)
    judge_alert_tables(settings, alerts, verdict)
    return verdict


def _player(registries: Mapping[int, Snapshot]) -> Player:
    standards = InForce(load_standard(None, KINDS, load_departments()), {}, {}, KINDS, load_departments(), "UTC")
    return Player(KINDS, standards, lambda version: registries.get(version, EMPTY))


def _plain(record: Signal | Alert) -> bytes:
    return dataclasses.replace(record, published_at=0).encode()
