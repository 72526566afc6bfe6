"""What the sink stored is the log again: records, control records, registries, rules and modes, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from riskstream.registry_log import Difference, publish, read_log
from schemas.batch import CONTROL_HEADER, Batch, Mode, empty_batch, encode_batch
from schemas.registry import Asset, Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.rule_versions import MODES_TOPIC, RULES_TOPIC, Modes, RuleFiles, ZoneMode
from sinks.history import History, HistoryError, Span
from tests.integration.processing import Log
from tests.integration.sink_bench import (
    START_MS,
    batch,
    count,
    prepare,
    produce,
    produce_batches,
    running_sink,
    settings_of,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

EVER = Span(0, 2**42)


def same(one: Batch, other: Batch) -> bool:
    """Sensors may be listed in another order: what counts is which reading is whose."""
    heads = ("kind", "gateway", "source", "mode", "run_id", "received_at", "registry_version")
    whose = [[b.sensor_ids[number] for number in b.sensor] for b in (one, other)]
    return (
        all(getattr(one, name) == getattr(other, name) for name in heads)
        and whose[0] == whose[1]
        and np.array_equal(one.observed_at, other.observed_at)
        and np.array_equal(one.late, other.late)
        and all(np.array_equal(one.values[name], other.values[name], equal_nan=True) for name in one.values)
    )


def test_the_log_comes_back_in_its_order(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["gas_pressure"]
    rng = np.random.default_rng(1)
    batches = []
    for number in range(60):
        size = int(rng.integers(1, 900))
        values = {field.name: rng.standard_normal(size) for field in kind.fields}
        values["flow_m3h"][rng.random(size) < 0.5] = np.nan
        mode = Mode.EXERCISE if number == 7 else Mode.LIVE
        batches.append(
            batch(
                kind, size, start_ms=START_MS + int(rng.integers(0, 10**9)), values=values,
                late=rng.random(size) < 0.1, registry_version=number // 20, mode=mode, run_id="r" if number == 7 else "",
            )
        )  # fmt: skip
    tick = encode_batch(kind, empty_batch(kind, "p", "processor", START_MS, 5))
    produce(settings, kind.topic, [tick], headers=[(CONTROL_HEADER, b"tick")])
    produce_batches(settings, kind, batches[:30])
    produce(settings, kind.topic, [tick], headers=[(CONTROL_HEADER, b"rules=3")])
    produce_batches(settings, kind, batches[30:])
    produce_batches(settings, kind, batches[:1], partition=1)
    total = sum(map(len, batches)) + len(batches[0])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, kind.table) == total, "all rows")
        wait_until(lambda: count(settings, "control_log") == 2, "control records")
    history = History(settings)
    parts = history.parts(kinds, EVER)
    assert [(part.kind, part.partition, part.rows) for part in parts] == [
        ("gas_pressure", 0, total - len(batches[0])),
        ("gas_pressure", 1, len(batches[0])),
    ]
    found = list(history.records(kind, parts[0], EVER))
    assert [record.offset for record in found] == list(range(62))
    assert [(record.offset, record.control) for record in found if record.control] == [(0, "tick"), (31, "rules=3")]
    assert found[0].batch.registry_version == 5
    in_log = [one for one in Log(settings, {}).readings() if one.partition == 0]
    assert [(r.offset, r.log_time, r.control) for r in found] == [(one.offset, one.time, one.control) for one in in_log]
    assert all(
        same(record.batch, sent)
        for record, sent in zip([record for record in found if not record.control], batches, strict=True)
    )
    # the middle of the log alone
    span = Span(found[20].log_time, found[40].log_time)
    middle = [r.offset for r in history.records(kind, history.parts(kinds, span)[0], span)]
    assert middle == [r.offset for r in found if span.since <= r.log_time < span.until]
    history.close()


def test_registries_rules_and_modes_come_back(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    sensor = Sensor("s-1", "rainfall", "Rain", "city/east/a", "flood", 30.5, 1 / 3, "asset-1", "",
                    {"crown_m": 0.1 + 0.2, "tiny": 1e-300, "owner": "me", "n": 2.0})  # fmt: skip
    asset = Asset("asset-1", "pipe", "Pipe", "city/east", "own", "flood", "POINT (1 2)", "II", True)
    other = Sensor("s-2", "rainfall", "Rain 2", "city/west", "flood")
    for sensors, assets in (({"s-1": sensor, "s-2": other}, {"asset-1": asset}), ({"s-2": None}, {})):
        rows = {SENSORS_TOPIC: Difference(0, 0, 0, sensors), ASSETS_TOPIC: Difference(0, 0, 0, assets)}
        publish(settings, lambda _, rows=rows: rows, author="test")  # type: ignore[misc]
    rules = RuleFiles(1, "li", "first", START_MS, {"gas.yaml": "standard: x\n"})
    modes = [
        Modes(1, "li", "flood", START_MS, (ZoneMode("c/n", "emergency", START_MS + 5), ZoneMode("c", "peace", 7))),
        Modes(2, "li", "over", START_MS, ()),
    ]
    produce(settings, RULES_TOPIC, [rules.encode(), RuleFiles(1, "x", "repeats a version", 0, {}).encode()])
    produce(settings, MODES_TOPIC, [one.encode() for one in modes])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "registry_versions") == 2, "versions of the registry")
        wait_until(lambda: count(settings, "mode_versions") == 2 and count(settings, "rule_versions") == 1, "versions")
    history = History(settings)
    log = read_log(settings)
    for version in (1, 2):
        assert history.registry(version) == log.snapshot(version)
    assert history.registry(1).sensors["s-1"] == sensor
    assert history.newest_registry().version == 2
    with pytest.raises(HistoryError, match="no registry version 3; newest: 2"):
        history.registry(3)
    assert history.rules() == {1: rules}
    assert history.modes() == {one.version: one for one in modes}
    history.close()
