"""Bad, late, doubled and disordered readings: each is stored once, or refused with its reason."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
from confluent_kafka import Producer

from runtime.kafka import producer_config
from schemas.batch import BatchCodec, Mode, empty_batch, encode_batch
from schemas.wire import head, split
from tests.chaos.devices import post, take_answer
from tests.chaos.ledger import FIELD, KIND, Reading
from tests.chaos.logs import read_topic
from tests.chaos.oracle import KINDS
from tests.chaos.run import READINGS, Run
from tests.chaos.suite import scenario
from tests.stack import wait_until

HTTP_KAFKA = "HTTP–Kafka"
MINUTE_MS, DAY_MS = 60_000, 86_400_000
LOADED, SPARE = slice(0, 40), slice(40, None)
"""Sensors that carry the load, and those that misbehave."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def body(readings: Sequence[Reading]) -> str:
    return json.dumps([{"sensor_id": one.sensor, "observed_at": one.at, FIELD: one.value} for one in readings])


def send(run: Run, readings: Sequence[Reading], headers: dict[str, str] | None = None) -> None:
    """One post, acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", run.service("http-gateway").http_port, timeout=30)
    status, answer = post(connection, f"/v1/readings/{KIND}", body(readings), headers)
    connection.close()
    assert status == 200, answer
    take_answer(run.ledger, readings, answer)


@scenario("poison Avro, unknown schema ids, NaN and oversize among good readings", "all")
def poison(run: Run) -> None:
    run.start_pipeline()
    run.http_devices(sensors=run.ledger.sensors[LOADED])
    run.load(2)
    good = encode_batch(KINDS[KIND], empty_batch(KINDS[KIND], "chaos", "chaos", now_ms(), 1))
    number, rest = split(good)
    other = KINDS["rainfall"]
    poisons = {
        "rubbish": b"rubbish",
        "an unknown schema id": head(number ^ 1) + bytes(rest),
        "a record that is cut off": good[:-3],
        "nothing": b"",
        "a batch of another kind": encode_batch(other, empty_batch(other, "chaos", "chaos", now_ms(), 1)),
    }
    producer = Producer(producer_config(run.settings))
    for value in poisons.values():
        for partition in range(run.partitions):
            producer.produce(run.topic(READINGS), value, partition=partition)
            assert producer.flush(20) == 0
            run.load(0.3)
    for what in poisons:
        run.injected(f"{what} in the log", run.partitions)
    spare = run.ledger.sensors[SPARE]
    connection = http.client.HTTPConnection("127.0.0.1", run.service("http-gateway").http_port, timeout=60)
    nan = f'[{{"sensor_id": "{spare[0]}", "observed_at": {now_ms()}, "{FIELD}": NaN}}]'
    status, answer = post(connection, f"/v1/readings/{KIND}", nan)
    run.require(
        (status, answer.get("error", "")) == (400, "unreadable")
        or (status == 200 and [one["reason"] for one in answer["rejected"]] == ["not_a_number"]),
        "NaN refused",
    )
    status, _ = post(connection, f"/v1/readings/{KIND}", b"[" + b" " * run.settings.http_max_body_bytes + b"]")
    run.require(status == 413, "a body over the limit refused")
    connection.close()
    mqtt = run.mqtt_devices(20, sensors=spare)
    mqtt.raw(f"riskstream/v1/{KIND}/{spare[0]}", b"\xff\x00" * 1000)
    mqtt.raw(f"riskstream/v1/{KIND}/{spare[0]}", b'{"observed_at": 1, "methane_lel": NaN}')
    run.injected("unreadable MQTT messages", 2)
    wanted = len(poisons) * run.partitions

    def kept(source: str, reason: str) -> int:
        sql = f"SELECT uniqExact(origin, original) FROM rejected_readings WHERE source = '{source}' AND reason = '{reason}'"
        return int(run.rows(sql)[0][0])

    for source in ("sink", "processor"):
        wait_until(lambda source=source: kept(source, "poison") == wanted, f"all poison kept by the {source}", 60)  # type: ignore[misc]
    wait_until(lambda: kept("mqtt", "unreadable") + kept("mqtt", "not_a_number") == 2, "the unreadable messages", 60)
    run.recovering()


@scenario("clock skew of a day, 10 minutes late, doubles ×10 and disorder", HTTP_KAFKA, short=False)
def skew_doubles_and_disorder(run: Run) -> None:
    run.start_pipeline()
    run.http_devices(sensors=run.ledger.sensors[LOADED])
    sensors = run.ledger.sensors[SPARE]

    def series(count: int, at: Callable[[int], int]) -> list[Reading]:
        return [run.ledger.next(sensor, at(number)) for number in range(count) for sensor in sensors]

    ahead = series(10, lambda number: now_ms() + DAY_MS + number)
    send(run, ahead)
    refused = [run.ledger.refused.get(one.key) for one in ahead]
    run.require(set(refused) == {"in_the_future"}, "readings a day ahead refused", len(ahead))
    start = now_ms()
    behind = series(10, lambda number: start - DAY_MS + number)
    send(run, behind)
    run.injected("readings a day behind", len(behind))
    late = series(30, lambda number: start - 10 * MINUTE_MS + number * 1000)
    send(run, late)
    run.injected("readings 10 minutes late", len(late))
    disordered = series(30, lambda number: start - 5 * MINUTE_MS + number * 1000)
    random.shuffle(disordered)
    for first in range(0, len(disordered), 25):
        send(run, disordered[first : first + 25])
    run.injected("readings in disorder", len(disordered))
    doubles = series(30, lambda number: start - 2 * MINUTE_MS + number * 1000)
    for _ in range(10):
        send(run, doubles)
        run.load(0.2)
    run.ledger.sent_again(9 * len(doubles))
    run.injected("readings sent ten times", len(doubles))
    run.load()
    run.recovering()
    ((found,),) = run.rows(f"SELECT countIf(late) FROM readings_{KIND}")
    assert found == len(behind), f"{found} of {len(behind)} readings a day old are marked late"


@scenario("history of more than 150 days in one batch", HTTP_KAFKA)
def long_history(run: Run) -> None:
    """Its rows fall into six or more ClickHouse partitions, and the sink dies while it inserts them."""
    run.start_pipeline()
    run.http_devices(sensors=run.ledger.sensors[LOADED])
    run.load(1)
    sensor = run.ledger.sensors[SPARE][0]
    start = now_ms() - 200 * DAY_MS
    history = [run.ledger.next(sensor, start + number * DAY_MS // 2) for number in range(380)]
    run.kill("sink")
    send(run, history, {"Riskstream-Mode": "history"})
    codec = BatchCodec(KINDS)
    batches = [codec.decode(one.value) for one in read_topic(run.settings, READINGS)]
    days = [int(np.ptp(one.observed_at)) / DAY_MS for one in batches if one.mode is Mode.HISTORY and len(one)]
    run.require(max(days) > 150, f"a batch over {max(days):.0f} days")
    run.start("sink", ready=False)
    for pause in (0.6, 1.2):
        run.load(pause)
        run.kill("sink")
        run.start("sink", ready=False)
    run.recovering()
