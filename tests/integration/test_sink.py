"""The sink on the real Kafka and ClickHouse: what is in the log is in the tables, once, whatever happens between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer

from deploy.local.child import GUARD
from deploy.local.clickhouse import ClickHouse
from deploy.local.ports import Ports
from runtime.kafka import client_config, topic_name
from schemas.batch import Mode, empty_batch
from schemas.levels import Level
from schemas.records import Alert, Rejected, Signal
from schemas.registry import Asset, Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC, VERSION_HEADER, Marker, Row, encode_row
from tests.integration.sink_bench import (
    START_MS,
    batch,
    count,
    prepare,
    produce,
    produce_batches,
    rows,
    running_sink,
    settings_of,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack


def test_readings_become_rows_with_their_place_in_the_log(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["gas_pressure"]
    values = {
        "pressure_kpa": np.array([2.0, 2.1, 2.2]),
        "flow_m3h": np.array([np.nan, -4.5, np.nan]),
        "temperature_c": np.full(3, np.nan),
    }
    first = batch(kind, 3, values=values, late=np.array([False, True, False]))
    second = batch(kind, 2, mode=Mode.EXERCISE, run_id="drill-1", source="http", gateway="gateway-2")
    produce_batches(
        settings, kind, [empty_batch(kind, "processor-1", "processor", START_MS), first, second], partition=1
    )
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "readings_gas_pressure") == 5, "5 rows")
    got = rows(
        settings,
        "SELECT sensor_id, toUnixTimestamp64Milli(observed_at), pressure_kpa, flow_m3h, temperature_c, late, mode, run_id, "
        "gateway, source, toUnixTimestamp64Milli(received_at), log_partition, log_offset, log_index "
        "FROM readings_gas_pressure ORDER BY log_offset, log_index",
    )
    received, later = START_MS + 3000, START_MS + 2000
    assert got == [
        ("sensor-a", START_MS, 2.0, None, None, False, "live", "", "gateway-1", "mqtt", received, 1, 1, 0),
        ("sensor-b", START_MS + 1000, 2.1, -4.5, None, True, "live", "", "gateway-1", "mqtt", received, 1, 1, 1),
        ("sensor-a", START_MS + 2000, 2.2, None, None, False, "live", "", "gateway-1", "mqtt", received, 1, 1, 2),
        ("sensor-a", START_MS, 0.5, 0.5, 0.5, False, "exercise", "drill-1", "gateway-2", "http", later, 1, 2, 0),
        ("sensor-b", START_MS + 1000, 1.5, 1.5, 1.5, False, "exercise", "drill-1", "gateway-2", "http", later, 1, 2, 1),
    ]
    ((generations, behind),) = rows(
        settings,
        "SELECT uniqExact(log_generation), countIf(stored_at < log_time OR log_time < now() - 600) FROM readings_gas_pressure",
    )
    assert (generations, behind) == (1, 0)


def test_history_of_many_months_is_split_by_month(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["water_level"]
    day_ms = 86_400_000
    produce_batches(settings, kind, [batch(kind, 400, start_ms=0, step_ms=3 * day_ms, mode=Mode.HISTORY)])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "readings_water_level") == 400, "400 rows")
    ((months, first, last),) = rows(
        settings,
        "SELECT uniqExact(toYYYYMM(observed_at)), min(observed_at), max(observed_at) FROM readings_water_level",
    )
    assert months == 40
    assert first == datetime(1970, 1, 1, tzinfo=UTC)
    assert last.timestamp() * 1000 == 399 * 3 * day_ms


def a_signal(number: int) -> Signal:
    return Signal(
        f"signal-{number}", "gas-low", 3, 7, "gas_pressure", "sensor-a", "city/east", "pipe-1", "raised", Level.YELLOW,
        Level.NONE, START_MS, START_MS + number, number, "alert-1", float("nan"), "{}", "live", 1, 20, 3, START_MS + 9,
    )  # fmt: skip


def an_alert(alert_id: str, sequence: int, event: str, level: Level, status: str, *, cleared: bool = False) -> Alert:
    return Alert(
        alert_id, sequence, event, "threshold", level, Level.ORANGE, status, cleared, "gas-low", 3, 7, "gas_pressure",
        "city/east", "gas", ["gas", "emergency"], "", ["sensor-a"], ["pipe-1"], {"en": "Low gas", "zh": "燃气低压"},
        {"en": "Look"}, START_MS, START_MS + 1000, START_MS + 5, START_MS + sequence * 60_000,
        START_MS + 600_000 if sequence == 1 else None, False, "", 1.25, json.dumps({"value": 1.25}), "live",
    )  # fmt: skip


def test_signals_and_alerts_show_once_even_when_published_twice(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    signals = [a_signal(1).encode(), a_signal(2).encode()]
    produce(settings, "signals", signals)
    events = [
        an_alert("alert-1", 1, "raised", Level.YELLOW, "raised").encode(),
        an_alert("alert-1", 2, "changed", Level.ORANGE, "raised").encode(),
        an_alert("alert-2", 1, "raised", Level.RED, "raised").encode(),
        an_alert("alert-1", 3, "accepted", Level.ORANGE, "accepted").encode(),
        an_alert("alert-1", 4, "cleared", Level.ORANGE, "accepted", cleared=True).encode(),
    ]
    produce(settings, "alerts", events[:3])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "alert_events") == 3 and count(settings, "signals") == 2, "first rows")
        # a processor that restarts publishes what it published before once more
        produce(settings, "signals", [*signals, a_signal(3).encode()])
        produce(settings, "alerts", [*events[:3], *events[3:]])
        wait_until(lambda: count(settings, "alert_events") == 5 and count(settings, "signals") == 3, "all rows")
    assert count(settings, "alert_events_log") == 8
    assert rows(
        settings, "SELECT signal_id, level, previous_level, value, reading_offset FROM signals ORDER BY at"
    ) == [
        ("signal-1", "yellow", "none", None, 20),
        ("signal-2", "yellow", "none", None, 20),
        ("signal-3", "yellow", "none", None, 20),
    ]
    got = rows(
        settings,
        "SELECT alert_id, sequence, level, highest_level, status, cleared, departments, title['zh'], value, due_at, "
        "toUnixTimestamp64Milli(accepted_at), toUnixTimestamp64Milli(cleared_at), closed_at FROM alerts ORDER BY alert_id",
    )
    accepted, cleared = START_MS + 180_000, START_MS + 240_000
    assert got == [
        ("alert-1", 4, "orange", "orange", "accepted", True, ["gas", "emergency"], "燃气低压", 1.25, None, accepted, cleared, None),
        ("alert-2", 1, "red", "orange", "raised", False, ["gas", "emergency"], "燃气低压", 1.25,
         datetime.fromtimestamp(START_MS / 1000 + 600, UTC), None, None, None),
    ]  # fmt: skip
    assert count(settings, "alerts WHERE level >= 'orange'") == 2


def test_rejected_readings_keep_their_bytes(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    original = b"\xff\x00not text"
    value = Rejected(original, "mqtt", "gateway-1", "riskstream/v1/x/y", "unreadable", "not JSON", START_MS).encode()
    produce(settings, "readings.rejected", [value])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "rejected_readings") == 1, "1 row")
    assert rows(
        settings, "SELECT reason, detail, hex(original), truncated, attempts, origin FROM rejected_readings"
    ) == [("unreadable", "not JSON", original.hex().upper(), False, 1, "riskstream/v1/x/y")]


def test_an_undecodable_record_is_kept_and_the_rest_goes_on(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["rainfall"]
    produce_batches(settings, kind, [batch(kind, 2)])
    produce(settings, kind.topic, [b"\x00\x00\x00\x00\x01rubbish", b""])
    produce_batches(settings, kind, [batch(kind, 3)])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "readings_rainfall") == 5, "5 rows")
        wait_until(lambda: count(settings, "rejected_readings") == 2, "2 rejected")
    got = rows(settings, "SELECT reason, source, origin, kind, original FROM rejected_readings ORDER BY origin")
    assert got == [
        ("poison", "sink", "readings.rainfall/0/1", "rainfall", "\x00\x00\x00\x00\x01rubbish"),
        ("poison", "sink", "readings.rainfall/0/2", "rainfall", ""),
    ]


def test_a_broken_topic_stops_the_sink_and_passes_nothing_over(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    produce(settings, kinds["rainfall"].topic, [b"rubbish"] * 30)
    process = start_process(space)
    try:
        assert process.wait(60) == 1
    finally:
        process.kill()
    assert "RISKSTREAM_REJECTED_SHARE_LIMIT" in log_of(space).read_text()
    assert count(settings, "rejected_readings") == 0


def test_the_registry_fills_the_dictionaries_import_by_import(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    east = Sensor("s-1", "rainfall", "Rain", "city/east/a", "flood", 30.5, 120.25, "asset-1", "", {"crown_m": 2.5})
    west = Sensor("s-2", "rainfall", "Rain 2", "city/west", "flood")

    def publish(version: int, import_id: str, sensors: list[Row], markers: bool = True) -> None:
        produce(settings, SENSORS_TOPIC, [encode_row(SENSORS_TOPIC, row) for row in sensors])
        asset = Row("asset-1", version, import_id, Asset("asset-1", "pipe", "Pipe", "city/east"))
        produce(settings, ASSETS_TOPIC, [encode_row(ASSETS_TOPIC, asset)])
        for topic, number in ((SENSORS_TOPIC, len(sensors)), (ASSETS_TOPIC, 1)) if markers else ():
            marker = Marker(version, import_id, number, "me", START_MS)
            produce(settings, topic, [marker.encode()], headers=[(VERSION_HEADER, str(version).encode())])

    def sensors() -> list[tuple[object, ...]]:
        return rows(settings, "SELECT sensor_id, district, street, lat, version FROM sensors ORDER BY sensor_id")

    with running_sink(settings, kinds):
        publish(1, "one", [Row("s-1", 1, "one", east), Row("s-2", 1, "one", west)])
        wait_until(lambda: sensors() == [("s-1", "east", "a", 30.5, 1), ("s-2", "west", "", None, 1)], "version 1")
        zones = [
            ("city", 1, "city", 2),
            ("city/east", 2, "east", 1),
            ("city/east/a", 3, "a", 1),
            ("city/west", 2, "west", 1),
        ]
        # a dictionary of its own, which is loaded anew after that of the sensors
        wait_until(
            lambda: rows(settings, "SELECT zone, depth, name, sensors FROM zones ORDER BY zone") == zones, "the zones"
        )
        # an import that was broken off never counts
        publish(2, "aborted", [Row("s-1", 2, "aborted", None)], markers=False)
        publish(2, "two", [Row("s-2", 2, "two", None)])
        wait_until(lambda: sensors() == [("s-1", "east", "a", 30.5, 1)], "version 2")
    assert rows(settings, "SELECT version, import_id, author FROM registry_versions ORDER BY version") == [
        (1, "one", "me"),
        (2, "two", "me"),
    ]
    assert rows(settings, "SELECT attributes['crown_m'] FROM registered_sensors") == [("2.5",)]
    assert rows(settings, "SELECT asset_id, type, version FROM assets") == [("asset-1", "pipe", 2)]


def log_of(space: Space) -> Path:
    return space.stack.folder / f"sink-{space.id}.log"


def start_process(space: Space, **environment: str) -> subprocess.Popen[bytes]:
    """The sink as a process of its own, ended with this one."""
    command = [sys.executable, "-S", "-E", str(GUARD), str(os.getpid())]
    command += [sys.executable, "-c", "from riskstream.main import main; main()", "sink"]
    quick = {"RISKSTREAM_SINK_FLUSH_MS": "20", "RISKSTREAM_KAFKA_SESSION_TIMEOUT_MS": "6000"}
    with log_of(space).open("ab") as output:
        return subprocess.Popen(
            command, env={**os.environ, **space.environment, **quick, **environment}, stdout=output, stderr=output
        )


def committed(space: Space, topic: str) -> list[tuple[int, str]]:
    settings = settings_of(space)
    consumer = Consumer(client_config(settings) | {"group.id": f"{settings.topic_prefix}riskstream-sink"})
    try:
        from confluent_kafka import TopicPartition

        name = topic_name(settings, topic)
        found = consumer.committed([TopicPartition(name, number) for number in (0, 1)], timeout=10)
        return [(one.offset, one.metadata or "") for one in found]
    finally:
        consumer.close()


def test_killed_again_and_again_it_stores_every_reading_once(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["bridge_strain"]
    table = kind.table
    sent = 0
    process = start_process(space)
    try:
        for _ in range(3):
            for _ in range(40):
                for partition in (0, 1):
                    start = START_MS + sent * 10
                    produce_batches(settings, kind, [batch(kind, 50, start_ms=start, step_ms=10)], partition)
                    sent += 50
            before = count(settings, table)
            wait_until(lambda before=before: count(settings, table) > before, "it stores")  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = start_process(space)
        wait_until(
            lambda: log_of(space).read_text().count("partitions assigned") == 4, "the last one works", timeout_s=60
        )
        wait_until(lambda: count(settings, table) >= sent, "all are stored", timeout_s=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
    assert rows(settings, f"SELECT count(), uniqExact(log_partition, log_offset, log_index) FROM {table}") == [
        (sent, sent)
    ]
    assert committed(space, kind.topic) == [(120, ""), (120, "")]


def test_partitions_move_between_sinks_and_every_reading_is_stored_once(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["bridge_strain"]
    sent = 0

    def send() -> None:
        nonlocal sent
        for partition in (0, 1):
            batches = [batch(kind, 20, start_ms=START_MS + (sent + n) * 200, step_ms=10) for n in range(10)]
            produce_batches(settings, kind, batches, partition)
            sent += 200

    first = start_process(space, RISKSTREAM_INSTANCE="one")
    second = None
    try:
        send()
        wait_until(lambda: count(settings, kind.table) == sent, "the first stores alone")
        second = start_process(space, RISKSTREAM_INSTANCE="two")

        def moved() -> bool:
            send()
            return "partitions revoked" in log_of(space).read_text()

        wait_until(moved, "partitions move to the second", timeout_s=60)
        send()
        wait_until(lambda: count(settings, kind.table) >= sent, "both store")
        first.kill()
        first.wait()
        send()
        wait_until(lambda: count(settings, kind.table) >= sent, "the second stores alone", timeout_s=60)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()
    assert rows(settings, f"SELECT count(), uniqExact(log_partition, log_offset, log_index) FROM {kind.table}") == [
        (sent, sent)
    ]


def test_sigterm_stores_what_was_collected(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    kind = kinds["rainfall"]
    process = start_process(space, RISKSTREAM_SINK_FLUSH_MS="60000")
    try:
        wait_until(lambda: "partitions assigned" in log_of(space).read_text(), "partitions assigned")
        produce_batches(settings, kind, [batch(kind, 7)])
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "readings_rainfall") == 7, "7 rows")


@contextmanager
def own_clickhouse(folder: Path) -> Iterator[tuple[ClickHouse, list[subprocess.Popen[bytes]]]]:
    """A ClickHouse of the test's own, and the list that holds its process."""
    part = ClickHouse(folder, Ports(folder, well_known=False))
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield part, running
    finally:
        for process in running:
            process.kill()
            process.wait()


def start_clickhouse(part: ClickHouse, running: list[subprocess.Popen[bytes]]) -> None:
    part.prepare()
    running.append(subprocess.Popen([sys.executable, "-S", "-E", str(GUARD), str(os.getpid()), *part.command()]))
    wait_until(lambda: part.check() is None, "ClickHouse answers", timeout_s=60)


def test_clickhouse_away_and_back_loses_and_doubles_nothing(space: Space, tmp_path: Path) -> None:
    with own_clickhouse(tmp_path) as (part, running):
        start_clickhouse(part, running)
        settings = settings_of(space, clickhouse_port=part.port, clickhouse_http_port=part.http_port)
        kinds = prepare(settings)
        kind = kinds["rainfall"]
        with running_sink(settings, kinds) as sink:
            produce_batches(settings, kind, [batch(kind, 10)])
            wait_until(lambda: count(settings, kind.table) == 10, "10 rows")
            assert sink.problem() is None
            process = running.pop()
            process.kill()
            process.wait()
            produce_batches(settings, kind, [batch(kind, 10, start_ms=START_MS + n * 60_000) for n in range(1, 20)])
            wait_until(lambda: "not reachable" in (sink.problem() or ""), "not ready, with the reason")
            assert sink.stuck() is None
            start_clickhouse(part, running)
            wait_until(lambda: count(settings, kind.table) == 200, "all rows")
            wait_until(lambda: sink.problem() is None, "ready again")
        assert rows(settings, f"SELECT count(), uniqExact(log_offset, log_index) FROM {kind.table}") == [(200, 200)]


def test_a_table_that_is_missing_holds_back_its_topic_only(space: Space) -> None:
    settings = settings_of(space)
    kinds = prepare(settings)
    rows(settings, "DROP TABLE readings_rainfall SYNC")
    with running_sink(settings, kinds) as sink:
        produce_batches(settings, kinds["rainfall"], [batch(kinds["rainfall"], 3)])
        wait_until(lambda: "readings.rainfall/0" in (sink.problem() or ""), "not ready, with the reason")
        produce_batches(settings, kinds["water_level"], [batch(kinds["water_level"], 4)])
        wait_until(lambda: count(settings, "readings_water_level") == 4, "the other topic goes on")
        prepare(settings)
        wait_until(lambda: count(settings, "readings_rainfall") == 3, "stored once the table is there")
        wait_until(lambda: sink.problem() is None, "ready again")


def test_a_new_kind_needs_only_its_file(space: Space, tmp_path: Path) -> None:
    schema = {
        "type": "record", "name": "tank_temperature", "namespace": "riskstream.kinds", "doc": "Temperature of a tank.",
        "period_s": 300, "max_delay_s": 3600,
        "fields": [
            {"name": "sensor_id", "type": "string"},
            {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "temperature_c", "type": "double", "doc": "It's the tank's.", "unit": "Cel", "min": -50, "max": 200,
             "resolution": 0.01},
        ],
    }  # fmt: skip
    (tmp_path / "tank_temperature.avsc").write_text(json.dumps(schema))
    settings = settings_of(space, kinds_dirs=[tmp_path])
    kinds = prepare(settings)
    kind = kinds["tank_temperature"]
    produce_batches(settings, kind, [batch(kind, 4)])
    with running_sink(settings, kinds):
        wait_until(lambda: count(settings, "readings_tank_temperature") == 4, "4 rows")
    assert rows(
        settings,
        "SELECT comment FROM system.columns WHERE database = currentDatabase() AND table = 'readings_tank_temperature' "
        "AND name = 'temperature_c'",
    ) == [("It's the tank's. [Cel]",)]
