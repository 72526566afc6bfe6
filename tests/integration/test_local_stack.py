"""The local stack as its users meet it: up, status, a part that dies, down, and up again with all data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from clickhouse_driver import Client
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.run import start_detached, stop_stack
from deploy.local.stack import StackOptions
from deploy.local.state import Identity, PartState, StackState, identify, read_state, running_state
from deploy.local.supervisor import AlreadyRunningError, StartError
from tests.stack import SERVERS, wait_until

pytestmark = pytest.mark.stack

PROBE = Path(__file__).with_name("probe_service.py")


def riskstream(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A `riskstream` command in a folder whose stack data lies in `.riskstream`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKSTREAM_")}
    return subprocess.run(
        [sys.executable, "-m", "riskstream", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@contextmanager
def probes(folder: Path, **modes: str) -> Iterator[StackState]:
    """A stack of Mosquitto and probe services, ended afterwards."""
    extra = {name: [sys.executable, str(PROBE), mode] for name, mode in modes.items()}
    options = StackOptions(folder, ("mosquitto",), well_known=False, extra=extra)
    try:
        yield start_detached(options, owner=identify(os.getpid()))
    finally:
        stop_stack(folder)


def part_pid(folder: Path, name: str) -> int | None:
    """The process of a healthy part."""
    state = running_state(folder)
    assert state is not None
    part = next(part for part in state.parts if part.name == name)
    return part.pid if part.state is PartState.HEALTHY else None


def processes(state: StackState) -> list[Identity]:
    """The supervisor and every part, as they run now."""
    pids = [state.supervisor.pid] + [part.pid for part in state.parts if part.pid is not None]
    return [found for found in map(identify, pids) if found is not None]


def test_a_second_start_finds_ports_and_data(tmp_path: Path) -> None:
    only = ("--only", ",".join(SERVERS))
    started = riskstream("up", "--detach", *only, *free_start(tmp_path), folder=tmp_path)
    assert started.returncode == 0, started.stderr
    folder = tmp_path / ".riskstream"
    try:
        before = running_state(folder)
        assert before is not None
        status = riskstream("status", "--format", "json", folder=tmp_path)
        assert status.returncode == 0
        answer = json.loads(status.stdout)
        assert answer["healthy"]
        assert [part["name"] for part in answer["parts"]] == list(SERVERS)
        write_everywhere(before.environment)

        running = processes(before)
        assert len(running) == 4
        ended = riskstream("down", folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert not [process for process in running if process.alive()]
        assert riskstream("status", folder=tmp_path).returncode == 1

        again = riskstream("up", "--detach", *only, folder=tmp_path)
        assert again.returncode == 0, again.stderr
        after = running_state(folder)
        assert after is not None
        assert after.environment == before.environment
        assert read_everywhere(after.environment) == (b"a record", [(7,)], b"retained")
    finally:
        stop_stack(folder)


def free_start(folder: Path) -> list[str]:
    """`--port` options that keep a test off the usual ports, which a developer's own stack may want."""
    from deploy.local.ports import Ports

    ports = Ports(folder / "chosen", well_known=False)
    names = ("kafka", "mosquitto", "clickhouse", "clickhouse-http")
    return [word for name in names for word in ("--port", f"{name}={ports[name]}")]


def write_everywhere(environment: dict[str, str]) -> None:
    """A Kafka record, a ClickHouse row, a retained MQTT message."""
    bootstrap = {"bootstrap.servers": environment["RISKSTREAM_KAFKA_BOOTSTRAP"]}
    admin = AdminClient(bootstrap)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(30)
    producer = Producer({**bootstrap, "acks": "all"})
    producer.produce("kept", b"a record")
    assert producer.flush(30) == 0

    client = Client("127.0.0.1", port=int(environment["RISKSTREAM_CLICKHOUSE_PORT"]))
    client.execute("CREATE DATABASE kept")
    client.execute("CREATE TABLE kept.t (n UInt8) ENGINE = MergeTree ORDER BY n")
    client.execute("INSERT INTO kept.t VALUES", [(7,)])
    client.disconnect()

    device = mqtt.Client(CallbackAPIVersion.VERSION2)
    device.connect("127.0.0.1", int(environment["RISKSTREAM_MQTT_PORT"]))
    device.loop_start()
    device.publish("kept", b"retained", qos=1, retain=True).wait_for_publish(30)
    device.disconnect()
    device.loop_stop()


def read_everywhere(environment: dict[str, str]) -> tuple[bytes | None, list[tuple[int]], bytes]:
    """What `write_everywhere` left."""
    consumer = Consumer(
        {
            "bootstrap.servers": environment["RISKSTREAM_KAFKA_BOOTSTRAP"],
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["kept"])
    record = wait_until(lambda: consumer.poll(1.0), "the record is there")
    consumer.close()

    client = Client("127.0.0.1", port=int(environment["RISKSTREAM_CLICKHOUSE_PORT"]))
    rows = client.execute("SELECT n FROM kept.t")
    client.disconnect()

    received: list[bytes] = []
    reader = mqtt.Client(CallbackAPIVersion.VERSION2)
    reader.on_message = lambda client, data, message: received.append(bytes(message.payload))
    reader.connect("127.0.0.1", int(environment["RISKSTREAM_MQTT_PORT"]))
    reader.subscribe("kept")  # sent when the loop runs, after the connection
    reader.loop_start()
    wait_until(lambda: received, "the retained message is there")
    reader.disconnect()
    reader.loop_stop()
    return record.value(), rows, received[0]


def test_a_killed_service_is_started_again(tmp_path: Path) -> None:
    with probes(tmp_path, probe="") as state:
        first = part_pid(tmp_path, "probe")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        second = wait_until(
            lambda: (pid := part_pid(tmp_path, "probe")) is not None and pid != first and pid, "restarted"
        )
        now = running_state(tmp_path)
        assert now is not None
        assert now.supervisor == state.supervisor
        assert {part.name: part.restarts for part in now.parts} == {"mosquitto": 0, "probe": 1}
        assert identify(second) is not None
        assert "ended with signal SIGKILL" in (tmp_path / "logs/probe.log").read_text()


def test_no_process_survives_a_kill_9_of_the_supervisor(tmp_path: Path) -> None:
    with probes(tmp_path, probe="ignore-term") as state:
        running = processes(state)
        assert len(running) == 3
        os.kill(state.supervisor.pid, signal.SIGKILL)
        wait_until(lambda: not [process for process in running if process.alive()], "all are gone")

        stale = read_state(tmp_path)
        assert stale is not None
        assert not stale.alive
        assert running_state(tmp_path) is None
        told = riskstream("status", "--folder", str(tmp_path), folder=tmp_path)
        assert told.returncode == 1
        assert "was killed" in told.stdout
    with probes(tmp_path, probe="") as again:
        assert again.healthy


def test_the_stack_ends_with_the_process_it_follows(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    options = StackOptions(tmp_path, ("mosquitto",), well_known=False)
    state = start_detached(options, owner=identify(owner.pid))
    running = processes(state)
    owner.kill()
    owner.wait()
    wait_until(lambda: not [process for process in running if process.alive()], "all are gone")


def test_a_service_that_cannot_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(StartError, match=r"(?s)probe does not start.*exit code 1.*the probe was told to fail"),
        probes(tmp_path, probe="exit-at-once"),
    ):
        pass
    assert running_state(tmp_path) is None


def test_a_folder_has_one_stack(tmp_path: Path) -> None:
    with probes(tmp_path), pytest.raises(AlreadyRunningError, match="already runs in"):
        start_detached(StackOptions(tmp_path, ("mosquitto",), well_known=False))


def test_ctrl_c_ends_a_stack_in_the_foreground(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "riskstream", "up", "--only", "mosquitto", *free_start(tmp_path)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == "stack: running":
            process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert lines[-1] == "stack: ended"
    assert running_state(tmp_path / ".riskstream") is None
