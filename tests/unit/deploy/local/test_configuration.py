"""What is wrong in the settings is told before anything starts, and old log lines are not taken for new ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.local.configuration import ConfigurationError, check_configuration
from deploy.local.ports import PortError, Ports
from deploy.local.services import make_service
from deploy.local.supervisor import tail
from riskstream.main import main


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("RISKSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_what_is_shipped_is_good() -> None:
    check_configuration()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PARTITIONS", "x", "RISKSTREAM_PARTITIONS is 'x'"),
        ("KINDS_DIRS", "nowhere", "nowhere: no such folder of kinds"),
        ("DEPARTMENTS_FILE", "nowhere.yaml", "nowhere.yaml"),
        ("RULES_DIR", "rules", "bad.yaml"),
        ("HTTP_API_KEYS", "keys", "keys"),
    ],
)
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_up_starts_nothing_with_a_wrong_setting(
    variable: str, value: str, said: str, detach: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "bad.yaml").write_text("rules: 7\n")
    (tmp_path / "keys").write_text("no key\n")
    monkeypatch.setenv(f"RISKSTREAM_{variable}", value)
    with pytest.raises(ConfigurationError, match="nothing was started"):
        check_configuration()
    result = CliRunner().invoke(main, ["up", *detach])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / ".riskstream").exists()


def test_a_port_of_readings_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = make_service("http-gateway", Ports(tmp_path, {"http-gateway": port}))
        with pytest.raises(PortError, match=f"port {port} .* start with --port http-gateway=<free port>"):
            service.prepare()


def test_a_tail_shows_no_line_of_an_earlier_run(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\n")
    began = log.stat().st_size
    with log.open("a") as stream:
        stream.write("new\n")
    assert tail(log, since=began) == "    new"
    assert tail(log, since=1000) == "    old\n    new"
