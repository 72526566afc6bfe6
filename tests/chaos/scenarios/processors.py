"""Faults of the processor and of the lifecycle."""

from __future__ import annotations

import random
import time

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.chaos.ledger import KIND
from tests.chaos.logs import ends, read_topic
from tests.chaos.run import PROCESSOR, READINGS, Run
from tests.chaos.suite import scenario
from tests.stack import wait_until

HOP = "Kafka–alerts"
CHECKPOINTS = f"checkpoints.{KIND}"
TAKEN_OVER = "taken over"


def judged(run: Run, name: str = "processor") -> bool:
    """Has the processor taken its partitions over since it was started?"""
    return TAKEN_OVER in run.since_start(name)


@scenario("kill −9 of a processor again and again, also during recovery", HOP, short=True)
def kill_processor(run: Run) -> None:
    """First before its first checkpoint; then at times of chance, from its very start on."""
    run.start_pipeline("http-gateway", "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    run.load(1)
    run.start(PROCESSOR, ready=False, CHECKPOINT_S="2")
    wait_until(lambda: len(read_topic(run.settings, "signals")) > 3, "signals before the first checkpoint", 60)
    early = 0
    for number in range(run.pace.times):
        early += not judged(run)
        run.kill("processor")
        run.start(PROCESSOR, "processor", ready=False)
        if number % 3 != 1:
            wait_until(lambda: judged(run), "it took its partitions over", 60)
        run.load(random.uniform(0.1, 2.5))
    run.injected("of these before it had taken its partitions over", early)
    run.service("processor").wait_ready()
    run.recovering()


@scenario("kill −9 of the lifecycle under load", HOP)
def kill_lifecycle(run: Run) -> None:
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    for _ in range(run.pace.times // 2):
        run.load(random.uniform(0.2, 1.0))
        run.kill("lifecycle")
        run.start("lifecycle")
    run.recovering()


@scenario("checkpoints stalled, and the worker killed", HOP)
def stalled_checkpoints(run: Run) -> None:
    """Kafka takes no record of the checkpoints' topic any more, while readings and signals go on."""
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    run.load()
    before = sum(ends(run.settings, [CHECKPOINTS]).values())
    set_config(run, CHECKPOINTS, "min.insync.replicas", "2")
    run.load(3)  # what was under way gets through, or does not
    stalled, readings = (sum(ends(run.settings, [one]).values()) for one in (CHECKPOINTS, READINGS))
    run.load()
    assert before <= stalled
    still = sum(ends(run.settings, [CHECKPOINTS]).values()) == stalled
    more = sum(ends(run.settings, [READINGS]).values()) - readings
    run.require(still and more, "checkpoints refused while readings went on")
    run.kill("processor")
    set_config(run, CHECKPOINTS, "min.insync.replicas", "1")
    run.start(PROCESSOR, "processor")
    run.recovering()


@scenario("a stopped worker wakes and writes a late checkpoint", HOP)
def zombie_checkpoint(run: Run) -> None:
    """Another worker has its partitions by then; that one is killed, and the next must find the right state."""
    run.start_pipeline("http-gateway", "lifecycle", "sink")
    run.start(PROCESSOR, "processor", CHECKPOINT_S="4")
    run.http_devices(run.pace.rate)
    run.load(6)
    run.freeze("processor")
    run.start(PROCESSOR, "processor-2", CHECKPOINT_S="0.5")
    wait_until(lambda: judged(run, "processor-2"), "another worker takes over", 60)
    run.load()
    behind = ends(run.settings, [CHECKPOINTS])
    run.thaw("processor")
    late = lambda: late_checkpoints(run, behind)  # noqa: E731
    wait_until(late, "the late checkpoint", 30)
    run.injected("checkpoints of an older term behind those of the newer", late())
    run.kill("processor-2")
    run.start(PROCESSOR, "processor-2")
    run.recovering()


@scenario("processors scaled from 1 to 3 to 1 under load", HOP, partitions=4)
def scaled_processors(run: Run) -> None:
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(run.pace.rate)
    run.load()
    for name in ("processor-2", "processor-3"):
        run.start(PROCESSOR, name)
        wait_until(lambda name=name: judged(run, name), f"{name} has partitions", 90)  # type: ignore[misc]
        run.injected("a processor joined")
        run.load()
    for name in ("processor", "processor-3"):
        run.end(name)
        run.injected("a processor left")
        run.load()
    run.recovering()


@scenario("a rebalance while records are held", HOP, partitions=4)
def rebalance_with_held_records(run: Run) -> None:
    """With a checkpoint every 30 s nearly every record is held when the partitions move."""
    run.start_pipeline("http-gateway", "lifecycle", "sink")
    run.start(PROCESSOR, "processor", CHECKPOINT_S="30")
    run.http_devices(run.pace.rate)
    run.load()
    for _ in range(max(2, run.pace.times // 5)):
        held = run.lag_of_processor()
        run.require(held > 0, "records held when partitions moved", held)
        run.start(PROCESSOR, "processor-2", CHECKPOINT_S="30")
        wait_until(lambda: judged(run, "processor-2"), "partitions moved", 90)
        run.load(2)
        run.kill("processor-2")
        run.load(8)  # past the session timeout: they come back
    run.recovering()


@scenario("state larger than a message", HOP, sensors=6000, partitions=1)
def large_state(run: Run) -> None:
    """The state of one partition is larger than Kafka's largest message; its worker is killed, and recovers it."""
    run.start_pipeline("http-gateway", PROCESSOR, "lifecycle", "sink")
    run.http_devices(4000, batch=200)
    run.load(max(6.0, run.pace.seconds))
    wait_until(lambda: state_bytes(run) > 1_100_000, "a state of more than a message", 60)
    run.injected(f"a state of {state_bytes(run) / 1e6:.1f} MB, where a message may have 1 MB")
    run.kill("processor")
    run.start(PROCESSOR, "processor")
    run.load(3)
    run.recovering()


def state_bytes(run: Run) -> int:
    """The newest value of each key of the checkpoints' topic, all together."""
    newest = {one.key: len(one.value) for one in read_topic(run.settings, CHECKPOINTS)}
    return sum(newest.values())


def late_checkpoints(run: Run, behind: dict[tuple[str, int], int]) -> int:
    """Records behind these offsets whose term is not the newest of their partition."""
    found = [one for one in read_topic(run.settings, CHECKPOINTS) if one.value]
    terms: dict[int, int] = {}
    late = 0
    for one in found:
        place = (run.topic(CHECKPOINTS), one.partition)
        if one.key == b"claim":
            terms[one.partition] = one.offset
        elif one.offset >= behind[place] and term_of(one.key) < terms.get(one.partition, -1):
            late += 1
    return late


def term_of(key: bytes) -> int:
    """The term in a key of a chunk or manifest."""
    return int(key.decode().split("/")[1])


def set_config(run: Run, topic: str, name: str, value: str) -> None:
    """A topic's configuration, changed while it is in use."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, run.topic(topic), incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": run.settings.kafka_bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)
    time.sleep(0.5)
