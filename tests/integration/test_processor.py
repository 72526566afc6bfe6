"""The processor and the lifecycle on the real Kafka: killed at any moment, they give what the log gives.

The oracle is the engine itself, run once over the readings topic as it stands in Kafka, from its first record.
"""

from __future__ import annotations

import dataclasses
import random
import signal
from pathlib import Path

import numpy as np
import pytest

from runtime.kafka import topic_name
from schemas.batch import Batch, Mode, encode_batch
from schemas.records import Alert, Rejected
from schemas.registry import Snapshot
from tests.integration.gateways import Service, running
from tests.integration.processing import (
    KIND,
    KINDS,
    SENSORS,
    START_MS,
    assert_exactly,
    expected_signals,
    falling_and_rising,
    ids,
    prepare,
    register,
    steps_of,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

FIRST = {1: Snapshot(1, SENSORS, {})}


def judged(processor: Service) -> float:
    return processor.metric("riskstream_processor_readings_total", outcome="judged")


def test_killed_at_any_moment_it_gives_what_the_log_gives(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    values = falling_and_rising(seed=1, steps=160)
    rng = random.Random(1)
    with running("lifecycle", log.environment, tmp_path):
        for round_ in range(3):
            log.send(steps_of(values, 40 * round_, 40 * round_ + 40))
            with running("processor --kinds gas_pressure", log.environment, tmp_path) as processor:
                some = rng.randrange(1, 40) * len(SENSORS)
                wait_until(lambda p=processor, n=some: judged(p) >= n, "some readings judged")  # type: ignore[misc]
                processor.stop(signal.SIGKILL)
        log.send(steps_of(values, 120, 160))
        expected = expected_signals(log, FIRST)
        assert {one.transition for one in expected.values()} == {"raised", "changed", "cleared"}
        with running("processor --kinds gas_pressure", log.environment, tmp_path) as processor:
            wait_until(lambda: ids(log.signals()) >= expected.keys(), "all signals", 60)
            assert processor.stop() == 0
        assert_exactly(log.signals(), expected)

        def events() -> list[Alert]:
            return [Alert.decode(one.value) for one in log.read("alerts")]

        wait_until(lambda: len(events()) >= len(expected), "an event for each signal")
    assert sorted((one.alert_id, one.sequence) for one in events()) == sorted(
        (one.alert_id, number)
        for alert_id in {one.alert_id for one in expected.values()}
        for number, one in enumerate((one for one in expected.values() if one.alert_id == alert_id), 1)
    )
    department = [Alert.decode(one.value) for one in log.read("alerts.gas")]
    assert {(one.alert_id, one.sequence) for one in department} == {
        (one.alert_id, one.sequence) for one in events() if "gas" in one.departments
    }


def test_a_worker_that_joins_or_dies_changes_nothing(space: Space, tmp_path: Path) -> None:
    log = prepare(space, TICK_S="0.5")
    values = falling_and_rising(seed=4, steps=160)
    second_folder = tmp_path / "second"
    second_folder.mkdir()
    other = {**log.environment, "RISKSTREAM_INSTANCE": f"{space.id}-b"}
    with running("processor --kinds gas_pressure", log.environment, tmp_path) as first:
        log.send(steps_of(values, 0, 40))
        wait_until(lambda: judged(first) == 40 * len(SENSORS), "the first worker has judged all")
        with running("processor --kinds gas_pressure", other, second_folder) as second:
            log.send(steps_of(values, 40, 60))
            second.wait_ready()
            log.send(steps_of(values, 60, 100))
            wait_until(lambda: judged(second) > 0, "the second worker judges")
            log.send(steps_of(values, 100, 140))
            second.stop(signal.SIGKILL)
        log.send(steps_of(values, 140, 160))
        wait_until(lambda: judged(first) >= 140 * len(SENSORS) / 2, "the first worker has it all again", 40)
        topic = topic_name(log.settings, KIND.topic)
        ends = {one.partition: one.offset for one in log.readings() if not one.control}
        wait_until(
            lambda: all(
                first.metric("riskstream_processor_offset", partition=str(number)) >= offset
                for number, offset in ends.items()
            ),
            f"everything in {topic} is in a checkpoint",
            40,
        )
        assert first.stop() == 0
    # ticks go on to be written; they raise nothing here
    assert_exactly(log.signals(), expected_signals(log, FIRST))
    assert "tick" in log.controls()
    # what the first worker kept was not read again
    taken_over = (tmp_path / "processor.log").read_text().count("goes on behind offset")
    assert taken_over <= 1


def test_an_idle_partition_gets_ticks_and_an_orderly_end_loses_no_work(space: Space, tmp_path: Path) -> None:
    log = prepare(space, TICK_S="0.3", CHECKPOINT_S="500")
    values = falling_and_rising(seed=5, steps=60)
    log.send(steps_of(values, 0, 60))
    with running("processor --kinds gas_pressure", log.environment, tmp_path) as processor:
        wait_until(lambda: log.controls().count("tick") >= 6, "ticks in both partitions")
        assert {one.partition for one in log.readings() if one.control} == {0, 1}
        wait_until(lambda: judged(processor) == 60 * len(SENSORS), "all judged")
        assert processor.stop() == 0
    with running("processor --kinds gas_pressure", log.environment, tmp_path) as processor:
        before = len(log.controls())
        wait_until(lambda: len(log.controls()) >= before + 4, "more ticks")
        # all 60 steps were in the checkpoint that the orderly end wrote
        assert judged(processor) == 0
        assert processor.stop() == 0
    assert (tmp_path / "processor.log").read_text().count("goes on behind offset") == 2
    assert_exactly(log.signals(), expected_signals(log, FIRST))


def test_the_registry_changes_at_a_point_of_the_log(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    values = falling_and_rising(seed=2, steps=100)
    # from version 2 on half of the sensors are not judged by the low-pressure rules any more
    changed = {
        name: dataclasses.replace(sensor, profile="medium-pressure" if int(name[-2:]) % 2 else sensor.profile)
        for name, sensor in SENSORS.items()
    }
    log.send(steps_of(values, 0, 50))
    register(log.settings, {name: sensor for name, sensor in changed.items() if sensor != SENSORS[name]})
    log.send(steps_of(values, 50, 100, registry=2))
    registries = FIRST | {2: Snapshot(2, changed, {})}
    expected = expected_signals(log, registries)
    assert {one.registry_version for one in expected.values()} == {1, 2}
    with running("processor --kinds gas_pressure", log.environment, tmp_path) as processor:
        wait_until(lambda: ids(log.signals()) >= expected.keys(), "all signals", 60)
        assert processor.stop() == 0
    assert_exactly(log.signals(), expected_signals(log, registries))


def test_a_poison_record_is_rejected_and_the_partition_goes_on(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    values = falling_and_rising(seed=3, steps=60)
    poison = b"\x00\x00\x00\x00\x07not a batch"
    other = encode_batch(KINDS["rainfall"], _rain())
    log.send([*steps_of(values, 0, 30), (0, poison), (1, other), *steps_of(values, 30, 60)])
    with running("processor", log.environment, tmp_path) as processor:
        wait_until(lambda: len(log.read("readings.rejected")) == 2, "two rejected records", 60)
        wait_until(lambda: judged(processor) == 60 * len(SENSORS), "all good readings judged")
    rejected = [Rejected.decode(one.value) for one in log.read("readings.rejected")]
    assert {one.original for one in rejected} == {poison, other}
    assert {one.reason for one in rejected} == {"poison"}
    topic = topic_name(log.settings, KIND.topic)
    assert {one.origin for one in rejected} == {f"{topic}/0/30", f"{topic}/1/30"}


def _rain() -> Batch:
    return Batch(
        "rainfall", "gateway", "test", Mode.LIVE, "", START_MS, ["r"], np.zeros(1, np.int32),
        np.array([START_MS]), np.zeros(1, np.bool_), {"rain_mm": np.ones(1)}, 1,
    )  # fmt: skip
