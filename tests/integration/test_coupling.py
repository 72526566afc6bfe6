"""Couplings and the zone index on the real Kafka: killed at any moment they give what the log of signals gives, once.

The oracle is the pure city, run once over the topic `signals` as it stands in Kafka, from its first record.
"""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.city import City
from processors.core.coupling.events import rules_version
from processors.core.evidence import alert_id, signal_id
from processors.core.standard import Standard
from processors.ruleset import SHIPPED
from processors.standard_files import load_standard, standard_from_texts
from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from riskstream.rules import rules
from riskstream.version_log import read_versions
from runtime.kafka import producer_config, topic_name
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Alert, Event, Signal, ZoneRisk
from schemas.registry import Sensor, Snapshot
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.rule_versions import RULES_TOPIC, RuleFiles
from schemas.topics import load_topics
from tests.integration.gateways import running, settings_of
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

KINDS = load_kinds()
STANDARD = load_standard(None, KINDS)
START_MS = 1_790_000_000_000
GIVEN = ("gas.methane.high", "gas.pressure.low", "flood.manhole.level", "flood.underpass.rise", "flood.rain")
ZONE = "city/north/mill/row/g{}"
SENSORS = {
    f"{rule}-{n}": Sensor(f"{rule}-{n}", "rainfall", "s", ZONE.format(n % 3), "gas", 30.0 + n / 1000, 112.0)
    for rule in GIVEN
    for n in range(6)
}


def prepare(space: Space) -> tuple[Settings, Mapping[str, str]]:
    environment = {**space.environment, "RISKSTREAM_CHECKPOINT_S": "0.2", "RISKSTREAM_KAFKA_SESSION_TIMEOUT_MS": "6000"}
    settings = settings_of(environment)
    make_topics(settings, plan(settings, list(load_topics(KINDS, load_departments()).values())))
    rows = {SENSORS_TOPIC: Difference(len(SENSORS), 0, 0, dict(SENSORS)), ASSETS_TOPIC: Difference(0, 0, 0, {})}
    publish(settings, lambda _: rows, author="test")
    return settings, environment


def given_signals(seed: int, alerts: int) -> list[Signal]:
    """Alerts of several rules that rise, change and clear, mixed in time."""
    rng = random.Random(seed)
    found: list[Signal] = []
    sequences: dict[str, int] = {}
    free_at: dict[str, int] = {}
    for _ in range(alerts):
        name = rng.choice(sorted(SENSORS))
        rule = name.rpartition("-")[0]
        at = START_MS + max(free_at.get(name, 0), rng.randrange(0, 3_600_000))
        onset, before = at, Level.NONE
        levels = [Level(rng.randrange(1, 5)), Level(rng.randrange(1, 5)), Level.NONE]
        for level in [levels[0], *([levels[1]] if levels[1] != levels[0] else []), *levels[2:]]:
            sequences[name] = sequences.get(name, 0) + 1
            transition = "cleared" if level is Level.NONE else "changed" if before else "raised"
            found.append(
                Signal(
                    signal_id(rule, name, sequences[name], ""),
                    rule,
                    1,
                    1,
                    "rainfall",
                    name,
                    SENSORS[name].zone,
                    "",
                    transition,
                    level,
                    before,
                    onset,
                    at,
                    sequences[name],
                    alert_id(rule, name, onset, ""),
                    1.0,
                    "{}",
                    "live",
                    0,
                    0,
                    0,
                )
            )
            before = level
            at += rng.randrange(60_000, 900_000)
        free_at[name] = at - START_MS
    return sorted(found, key=lambda one: one.at)


def produce(settings: Settings, topic: str, values: list[bytes]) -> None:
    producer = Producer(producer_config(settings))
    for value in values:
        producer.produce(topic_name(settings, topic), value, partition=0)
    assert producer.flush(30) == 0


def read(settings: Settings, topic: str) -> list[tuple[int, int, bytes]]:
    """Offset, time and value of everything in a topic of one partition."""
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": "unused"})
    place = TopicPartition(topic_name(settings, topic), 0)
    found = []
    try:
        position, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([TopicPartition(place.topic, 0, position)])
        while position < end:
            for message in consumer.consume(1000, timeout=0.2):
                assert message.error() is None
                found.append((message.offset(), message.timestamp()[1], message.value()))
                position = message.offset() + 1
    finally:
        consumer.close()
    return found


def plain(signals: list[Signal]) -> list[Signal]:
    return [dataclasses.replace(one, published_at=0) for one in signals]


def oracle(
    settings: Settings, versions: Mapping[int, Standard] = MappingProxyType({})
) -> tuple[list[Signal], list[ZoneRisk], list[Signal]]:
    """What the log gives: signals and risks; and what stands in the log of the former."""
    city = City(STANDARD)
    registry = Snapshot(1, SENSORS, {})
    signals: list[Signal] = []
    risks: list[ZoneRisk] = []
    published: list[Signal] = []
    for offset, log_time, value in read(settings, "signals"):
        one = Signal.decode(value)
        if one.type in ("coupling", "index"):
            published.append(one)
        output = city.take(
            one,
            log_time,
            registry if one.registry_version else city.registry,
            0,
            offset,
            versions.get(rules_version(one)),
        )
        signals += output.signals
        risks += output.risks
    return signals, risks, plain(published)


def told(signals: list[Signal]) -> list[str]:
    return sorted(str(one) for one in signals)


def test_killed_at_any_moment_it_gives_what_the_log_gives_once(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    log = given_signals(seed=1, alerts=120)
    rng = random.Random(1)
    at = 0
    with running("lifecycle", environment, tmp_path):
        for _ in range(4):
            with running("coupling", environment, tmp_path) as service:
                service.wait_ready()
                for _ in range(rng.randrange(5, 15)):
                    produce(settings, "signals", [one.encode() for one in log[at : at + 3]])
                    at += 3
                service.stop(signal.SIGKILL)
        produce(settings, "signals", [one.encode() for one in [*log[at:], *log[-3:]]])  # the last ones twice
        with running("coupling", environment, tmp_path) as service:

            def all_told() -> bool:
                expected, risks, published = oracle(settings)
                return len(published) >= len(expected) and len(read(settings, "zones.risk")) >= len(risks)

            wait_until(all_told, "all signals of couplings and zones", 60)
            assert service.stop() == 0
        expected, risks, published = oracle(settings)
        assert {one.transition for one in expected} == {"raised", "changed", "cleared", "joined"}
        assert {one.type for one in expected} == {"coupling", "index"}
        assert told(published) == told(plain(expected))
        assert [ZoneRisk.decode(value) for *_, value in read(settings, "zones.risk")] == risks

        coupled = {one.alert_id: one for one in expected if one.type == "coupling"}
        links = {(member, one.alert_id) for one in expected for member in one.contributing}

        def linked() -> set[tuple[str, str]]:
            alerts = [Alert.decode(value) for *_, value in read(settings, "alerts")]
            return {(one.alert_id, whole) for one in alerts for whole in one.part_of}

        wait_until(lambda: linked() >= links, "every contributing alert is linked")
    alerts = [Alert.decode(value) for *_, value in read(settings, "alerts")]
    assert linked() == links
    assert len({(one.alert_id, one.sequence) for one in alerts}) == len(alerts)
    raised = [one.alert_id for one in alerts if one.type == "coupling" and one.event == "raised"]
    assert sorted(raised) == sorted(coupled)
    emergency = {
        (one.alert_id, one.sequence) for one in map(Alert.decode, (v for *_, v in read(settings, "alerts.emergency")))
    }
    assert {(one.alert_id, one.sequence) for one in alerts if "emergency" in one.departments} <= emergency


def other_files(folder: Path) -> Path:
    """Couplings of which one sees something else, one raises another level and one is gone; another zone standard."""
    folder.mkdir()
    couplings = (SHIPPED / "couplings.yaml").read_text(encoding="utf-8").replace("version: 1", "version: 2", 1)
    couplings = couplings.replace("within: 30m\n    raise: one above", "within: 20m\n    raise: one above", 1)
    couplings = couplings.replace("raise: at least orange", "raise: red")
    couplings = couplings.replace("id: coupled.wide-failure", "id: coupled.wide-trouble")
    (folder / "couplings.yaml").write_text(couplings, encoding="utf-8")
    zones = (SHIPPED / "zones.yaml").read_text(encoding="utf-8").replace("version: 1", "version: 2", 1)
    (folder / "zones.yaml").write_text(zones.replace("graded: {blue: 20,", "graded: {blue: 30,"), encoding="utf-8")
    return folder


def test_a_version_changes_couplings_and_zones_at_one_place_whatever_is_killed(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    log = given_signals(seed=5, alerts=100)
    files = other_files(tmp_path / "other")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(rules, arguments, env=dict(environment))
        assert done.exit_code == 0, done.output
        return done.stdout

    def marks() -> list[int]:
        found = [rules_version(Signal.decode(value)) for *_, value in read(settings, "signals")]
        return [version for version in found if version]

    with running("lifecycle", environment, tmp_path):
        with running("coupling", environment, tmp_path) as service:
            service.wait_ready()
            produce(settings, "signals", [one.encode() for one in log[:110]])
            both = [str(files / "couplings.yaml"), str(files / "zones.yaml")]
            said = run("apply", *both, "--reason", "after the drill", "--author", "li")
            assert "removed  coupled.wide-failure" in said
            assert "within: 30m → 20m" in said
            assert "graded.blue: 20 → 30" in said
            wait_until(lambda: 1 in marks(), "the version stands in the log")
            service.stop(signal.SIGKILL)
        produce(settings, "signals", [one.encode() for one in log[110:150]])
        with running("coupling", environment, tmp_path) as service:
            service.wait_ready()
            assert run("rollback", "0", "--reason", "too many").endswith("version 0 is applied as version 2\n")
            service.stop(signal.SIGKILL)  # perhaps before the mark, perhaps behind it
        produce(settings, "signals", [one.encode() for one in log[150:]])
        with running("coupling", environment, tmp_path) as service:
            applied = {one.version: one for one in read_versions(settings, RULES_TOPIC, RuleFiles)}
            versions = {
                number: standard_from_texts(one.files, STANDARD, KINDS, version=number)
                for number, one in applied.items()
            }  # fmt: skip

            def all_told() -> bool:
                expected, risks, published = oracle(settings, versions)
                return (
                    2 in marks() and len(published) >= len(expected)
                    and len(read(settings, "zones.risk")) >= len(risks)
                )  # fmt: skip

            wait_until(all_told, "all signals of couplings and zones", 90)
            assert service.metric("riskstream_coupling_rules") == 2
            assert service.stop() == 0
        expected, risks, published = oracle(settings, versions)
        assert told(published) == told(plain(expected))
        assert [ZoneRisk.decode(value) for *_, value in read(settings, "zones.risk")] == risks
        assert {one.rule_version for one in expected} == {1, 2}
        assert any("ended" in json.loads(one.evidence) for one in expected)

        def events() -> list[Alert]:
            return [Alert.decode(value) for *_, value in read(settings, "alerts")]

        ids = {one.alert_id for one in expected}
        wait_until(lambda: ids <= {one.alert_id for one in events()}, "an alert of each")


def test_an_event_from_outside_couples_and_a_tick_lets_it_end(space: Space, tmp_path: Path) -> None:
    settings, environment = prepare(space)
    now = round(time.time() * 1000)
    rise = next(one for one in given_signals(seed=2, alerts=60) if one.rule_id == "flood.underpass.rise")
    rise = dataclasses.replace(rise, level=Level.ORANGE, at=now, onset_at=now)
    ended = dataclasses.replace(
        rise,
        signal_id="ended",
        transition="cleared",
        level=Level.NONE,
        previous_level=Level.ORANGE,
        at=now + 1,
        sequence=9,
    )
    storm = Event("w-1", "rainstorm", Level.RED, "city", "", now - 60_000, now + 3_600_000, "weather service")
    with running("coupling", environment, tmp_path) as service:
        service.wait_ready()
        produce(settings, "events", [storm.encode()])
        produce(settings, "signals", [rise.encode()])

        def log() -> list[Signal]:
            return [Signal.decode(value) for *_, value in read(settings, "signals")]

        def coupled() -> list[Signal]:
            return [one for one in log() if one.type == "coupling"]

        wait_until(lambda: len(coupled()) == 1, "raised")
        # the end is now, however long that took: a coupling waits 10 s of log time before it clears
        end = round(time.time() * 1000)
        ended = dataclasses.replace(ended, at=end)
        produce(settings, "signals", [ended.encode()])
        wait_until(lambda: len(coupled()) == 2, "cleared")
        assert service.stop() == 0
    raised, cleared = coupled()
    assert (raised.rule_id, raised.transition, raised.level) == ("coupled.underpass-in-a-storm", "raised", Level.ORANGE)
    assert (raised.at, raised.contributing) == (now, [rise.alert_id])
    assert (cleared.transition, cleared.at) == ("cleared", end)
    types = [one.type for one in log() if one.type in ("tick", "coupling")]
    assert types == ["coupling", "tick", "coupling"]
