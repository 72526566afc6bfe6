from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import CHOICE, PortError, Ports, free_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server.getsockname()[1]


def test_chosen_ports_are_free_different_and_outside_the_ephemeral_range(tmp_path: Path) -> None:
    ports = Ports(tmp_path, well_known=False)
    chosen = [ports[name] for name in ("kafka", "mosquitto", "clickhouse", "x-metrics")]
    assert len(set(chosen)) == 4
    assert all(port in CHOICE and is_free(port) for port in chosen)


def test_ports_are_remembered(tmp_path: Path) -> None:
    first = Ports(tmp_path, well_known=False)["kafka"]
    assert Ports(tmp_path, well_known=False)["kafka"] == first


def test_a_given_port_wins_over_the_remembered_one_and_is_remembered(tmp_path: Path) -> None:
    old = Ports(tmp_path, well_known=False)["kafka"]
    given = Ports(tmp_path, {"kafka": old + 1})
    given.save()
    assert Ports(tmp_path)["kafka"] == old + 1


def test_a_port_in_use_is_named_with_its_part_and_a_way_out(tmp_path: Path, taken: int) -> None:
    ports = Ports(tmp_path, {"mosquitto": taken})
    with pytest.raises(PortError, match=f"mosquitto: port {taken} .* in use .* --port mosquitto="):
        ports.require_free("mosquitto")


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"kafka": "x"}'])
def test_a_broken_ports_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    with pytest.raises(PortError, match=r"ports\.json is not a JSON object of ports"):
        Ports(tmp_path)


def test_the_file_is_readable_json(tmp_path: Path) -> None:
    port = Ports(tmp_path, well_known=False)["kafka"]
    assert json.loads((tmp_path / "ports.json").read_text()) == {"kafka": port}
