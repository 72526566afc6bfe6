from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.state import (
    Identity,
    PartState,
    PartStatus,
    Phase,
    StackState,
    identify,
    read_state,
    running_state,
    stack_environment,
    write_state,
)


def me() -> Identity:
    found = identify(os.getpid())
    assert found is not None
    return found


def running(supervisor: Identity) -> StackState:
    part = PartStatus("kafka", "127.0.0.1:9092", PartState.HEALTHY, 7, "", 1, 1e9)
    return StackState(supervisor, Phase.RUNNING, [part], {"RISKSTREAM_MQTT_PORT": "1883"})


def test_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = running(me())
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert running_state(tmp_path) == state
    assert stack_environment(tmp_path) == {"RISKSTREAM_MQTT_PORT": "1883"}


def test_only_the_owner_can_read_the_environment(tmp_path: Path) -> None:
    write_state(tmp_path, running(me()))
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_a_process_with_the_same_number_started_later_is_another(tmp_path: Path) -> None:
    stale = dataclasses.replace(me(), started=me().started - 1)
    write_state(tmp_path, running(stale))
    assert running_state(tmp_path) is None
    assert stack_environment(tmp_path) == {}


def test_a_process_of_an_earlier_boot_is_another() -> None:
    assert not dataclasses.replace(me(), boot="an earlier one").alive()


def test_a_process_that_waits_to_be_reaped_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = identify(process.pid)
    assert found is not None
    assert found.alive()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
    assert not found.alive()
    process.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"phase": "dancing"}'])
def test_a_state_file_that_cannot_be_read_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert read_state(tmp_path) is None


def test_healthy_means_running_and_every_part_healthy() -> None:
    healthy = running(me())
    assert healthy.healthy
    starting = dataclasses.replace(healthy, phase=Phase.STARTING)
    assert not starting.healthy
    parts = [*healthy.parts, PartStatus("sink", "", PartState.STARTING)]
    assert not dataclasses.replace(healthy, parts=parts).healthy


@pytest.mark.parametrize("phase", [Phase.STOPPED, Phase.FAILED])
def test_a_stack_that_ended_is_not_alive(phase: Phase) -> None:
    state = running(me())
    state.phase = phase
    assert not state.alive
