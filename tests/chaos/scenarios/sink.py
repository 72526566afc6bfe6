"""Faults of the sink and of ClickHouse."""

from __future__ import annotations

import time

from tests.chaos.proxy import Delay, LoseInsertAnswers, Proxy, Tamper
from tests.chaos.run import PROCESSOR, Run
from tests.chaos.suite import scenario
from tests.stack import wait_until

HOP = "Kafka–ClickHouse"


def behind_a_proxy(run: Run) -> Proxy:
    """The pipeline for HTTP devices, its sink behind a proxy to ClickHouse."""
    proxy = run.proxy(run.servers.clickhouse_part.port)
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle")
    run.start("sink", CLICKHOUSE_PORT=str(proxy.port))
    return proxy


@scenario("an insert's answer is lost after ClickHouse took it", HOP, short=True)
def lost_insert_answer(run: Run) -> None:
    proxy = behind_a_proxy(run)
    lose = proxy.tamper = LoseInsertAnswers(each=3)
    run.http_devices(run.pace.rate)
    wait_until(lambda: lose.lost >= run.pace.times, "answers are lost", 120)
    proxy.tamper = Tamper()
    run.require(lose.lost, "answers to inserts cut off", lose.lost)
    run.recovering()


@scenario("kill −9 of the sink between insert and commit", HOP, short=True)
def kill_sink_between_insert_and_commit(run: Run) -> None:
    """It dies when ClickHouse says that the insert is done, and never learns of it."""
    proxy = behind_a_proxy(run)
    run.http_devices(run.pace.rate)
    run.load(1)
    for _ in range(max(2, run.pace.times // 4)):
        lose = proxy.tamper = LoseInsertAnswers(each=2, before_cut=lambda: run.kill("sink"))
        wait_until(lambda lose=lose: lose.lost, "an insert is done", 60)  # type: ignore[misc]
        proxy.tamper = Tamper()
        run.start("sink")
        run.load(1)
    run.recovering()


@scenario("kill −9 of the sink under load", HOP)
def kill_sink(run: Run) -> None:
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    for number in range(run.pace.times // 2):
        run.load(0.1 * number)
        run.kill("sink")
        run.start("sink", ready=number % 2 == 0)
    run.recovering()


@scenario("a sink stopped past the session timeout, and continued", HOP)
def stopped_sink(run: Run) -> None:
    """Another one takes its partitions over; the stopped one wakes with rows in its hands, and may not insert them."""
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.start("sink", "sink-2")
    run.http_devices(run.pace.rate)
    run.load()
    run.freeze("sink")
    owned = "partitions assigned"
    before = run.tail("sink-2").count(owned)
    wait_until(lambda: run.tail("sink-2").count(owned) > before, "the other one takes its partitions over", 60)
    run.injected("its partitions were taken over")
    run.load()
    run.thaw("sink")
    run.recovering()
    run.load()


@scenario("ClickHouse killed, away, and back", HOP)
def clickhouse_away(run: Run) -> None:
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    run.load()
    run.servers.clickhouse.kill()
    run.injected("kill −9 of ClickHouse")
    away_s = run.pace.away_s * 2.5
    time.sleep(away_s)
    sink = run.service("sink")
    run.require(sink.health("/readyz")[0] == 503, "the sink says that it is not ready")
    assert sink.health("/healthz")[0] == 200, "a sink that waits must not be restarted"
    run.servers.clickhouse.start()
    run.injected(f"away for {away_s:.0f} s")
    run.recovering(300)


@scenario("a burst of ten times the load with slow inserts", HOP)
def burst_with_slow_inserts(run: Run) -> None:
    proxy = behind_a_proxy(run)
    run.start("mqtt-gateway")
    http, mqtt = run.http_devices(), run.mqtt_devices()
    run.load()
    slow = proxy.tamper = Delay(0.5)
    http.rate, mqtt.rate = http.rate * 10, mqtt.rate * 10
    began, highest = time.monotonic(), 0.0
    while time.monotonic() - began < (60 if run.pace.times > 4 else 10):
        highest = max(highest, resident_mb(run.service("sink").process.pid))
        time.sleep(0.5)
    run.require(slow.delayed > 10, "slow answers of ClickHouse", slow.delayed)
    http.rate, mqtt.rate = http.rate / 10, mqtt.rate / 10
    proxy.tamper = Tamper()
    run.recovering(300)
    run.notes.append(f"the sink's memory at its highest: {highest:.0f} MB")
    assert highest < 600, f"the sink took {highest:.0f} MB"


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    from pathlib import Path

    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6
