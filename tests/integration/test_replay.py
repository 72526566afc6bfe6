"""Replay from ClickHouse gives what the live path gave, to the bit: registry, rules and modes change, a worker dies."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from processors.replay.play import InForce, Player
from processors.ruleset import SHIPPED, rules_from_texts
from processors.standard_files import load_standard
from riskstream.replay.command import replay
from runtime.kafka import producer_config, topic_name
from schemas.departments import load_departments
from schemas.records import Signal
from schemas.registry import Snapshot
from schemas.rule_versions import MODES_TOPIC, RULES_TOPIC, Modes, RuleFiles, ZoneMode
from sinks.history import History, Span
from sinks.migrate import migrate
from tests.integration.gateways import running
from tests.integration.processing import (
    KINDS,
    SENSORS,
    START_MS,
    Log,
    assert_exactly,
    expected_signals,
    falling_and_rising,
    ids,
    prepare,
    register,
    steps_of,
)
from tests.integration.sink_bench import count, running_sink
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

EVER = Span(0, 2**42)
OTHER_RULES = (SHIPPED / "gas.yaml").read_text(encoding="utf-8").replace("blue: 1.8,", "blue: 1.7,")


def replayed(log: Log) -> list[Signal]:
    """What ClickHouse gives, with the rules, modes and registries that it holds."""
    history = History(log.settings)
    standards = InForce(
        load_standard(None, KINDS), history.rules(), history.modes(), KINDS, load_departments(), log.settings.timezone
    )
    player = Player(KINDS, standards, history.registry)
    found: list[Signal] = []
    for part in history.parts(KINDS, EVER):
        for record in history.records(KINDS[part.kind], part, EVER):
            found += player.take(record)
    history.close()
    return found


def apply(log: Log, topic: str, record: RuleFiles | Modes) -> None:
    producer = Producer(producer_config(log.settings))
    producer.produce(topic_name(log.settings, topic), record.encode(), key=str(record.version), partition=0)
    assert producer.flush(30) == 0


def test_replay_from_clickhouse_equals_the_live_path(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = prepare(space, TICK_S="0.5")
    migrate(log.settings, KINDS)
    values = falling_and_rising(seed=4, steps=160)
    # from version 2 on half of the sensors are not judged by the low-pressure rules any more
    changed = {
        name: dataclasses.replace(sensor, profile="medium-pressure" if int(name[-2:]) % 2 else sensor.profile)
        for name, sensor in SENSORS.items()
    }
    rules = RuleFiles(1, "test", "blue later", START_MS, {"gas.yaml": OTHER_RULES})
    modes = Modes(1, "test", "exercise", START_MS, (ZoneMode("city/north", "emergency", 2**42),))
    rng = random.Random(4)
    with running_sink(log.settings.model_copy(update={"sink_flush_ms": 50}), KINDS):
        with running("processor", log.environment, tmp_path) as processor:
            processor.wait_ready()
            log.send(steps_of(values, 0, 40))
            wait_until(lambda: log.signals(), "first signals")
            processor.stop(signal.SIGKILL)
        register(log.settings, {name: one for name, one in changed.items() if one != SENSORS[name]})
        apply(log, RULES_TOPIC, rules)
        with running("processor", log.environment, tmp_path) as processor:
            processor.wait_ready()
            log.send(steps_of(values, 40, 60))
            wait_until(lambda: log.controls().count("rules=1") == 2, "the rules are in force", 60)
            log.send(steps_of(values, 60, 100, registry=2))
            apply(log, MODES_TOPIC, modes)
            wait_until(lambda: log.controls().count("mode=1") == 2, "the modes are in force", 60)
            cut = rng.randrange(101, 150)
            log.send(steps_of(values, 100, cut, registry=2))
            processor.stop(signal.SIGKILL)
        with running("processor", log.environment, tmp_path) as processor:
            processor.wait_ready()
            log.send(steps_of(values, cut, 160, registry=2))
            wait_until(lambda: log.controls().count("tick") > 2, "ticks", 60)
            registries = {1: Snapshot(1, SENSORS, {}), 2: Snapshot(2, changed, {})}
            compiled = {1: rules_from_texts(rules.files, KINDS, load_departments(), 1)}
            wait_until(
                lambda: ids(log.signals()) >= expected_signals(log, registries, compiled, {1: modes}).keys(),
                "all signals", 60,
            )  # fmt: skip
            assert processor.stop() == 0
        live = log.signals()
        in_log = log.readings()
        wait_until(
            lambda: (count(log.settings, "control_log WHERE kind = 'gas_pressure'"), count(log.settings, "rule_versions"))
            == (len([one for one in in_log if one.control]), 1),
            "the control records", 60,
        )  # fmt: skip
        wait_until(lambda: count(log.settings, "readings_gas_pressure") == 160 * len(SENSORS), "all readings", 60)
        wait_until(lambda: count(log.settings, "mode_versions") == 1, "the modes")
    again = replayed(log)
    assert {one.transition for one in again} == {"raised", "changed", "cleared"}
    assert {one.registry_version for one in again} == {1, 2}
    assert len({one.signal_id for one in again}) == len(again)
    assert_exactly(live, {one.signal_id: one for one in again})

    # and the command says the same
    for name, value in log.environment.items():
        monkeypatch.setenv(name, value)
    arguments = ["--from-clickhouse", "--show", "signals", "--format", "json"]
    said = CliRunner().invoke(replay, arguments)
    assert said.exit_code == 0, said.stderr
    shown = [one for one in map(json.loads, said.stdout.splitlines()) if not one["rule"].startswith("coupled.")]
    assert {(one["signal_id"], one["alert_id"], one["level"], one["sequence"]) for one in shown} == {
        (one.signal_id, one.alert_id, one.level.word, one.sequence) for one in live
    }
