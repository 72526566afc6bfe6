"""Commands of people never use default addresses, and say soon when Kafka does not answer."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from riskstream.main import main
from riskstream.servers import kafka_trouble, require
from runtime.settings import load_settings

CITY = str(Path(__file__).parents[3] / "deploy/demo")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("RISKSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("sql|SELECT 1", ["CLICKHOUSE_HOST"]),
        ("alerts|list", ["CLICKHOUSE_HOST"]),
        ("alerts|show|abc", ["CLICKHOUSE_HOST"]),
        ("alerts|watch", ["KAFKA_BOOTSTRAP"]),
        ("rejected|list", ["CLICKHOUSE_HOST"]),
        (f"registry|import|{CITY}", ["KAFKA_BOOTSTRAP"]),
        ("registry|export|out", ["KAFKA_BOOTSTRAP"]),
        ("migrate", ["KAFKA_BOOTSTRAP", "CLICKHOUSE_HOST"]),
        ("migrate|--only|clickhouse", ["CLICKHOUSE_HOST"]),
        ("simulate", ["MQTT_HOST", "HTTP_HOST"]),
        ("simulate|--via|mqtt", ["MQTT_HOST"]),
        ("rules|apply|--reason|r", ["KAFKA_BOOTSTRAP"]),
        ("rules|history", ["KAFKA_BOOTSTRAP"]),
        ("rules|rollback|1|--reason|r", ["KAFKA_BOOTSTRAP"]),
        ("rules|status", ["KAFKA_BOOTSTRAP", "CLICKHOUSE_HOST"]),
        ("mode|list", ["KAFKA_BOOTSTRAP"]),
        ("mode|set|emergency|--zone|city|--until|1h", ["KAFKA_BOOTSTRAP"]),
        ("mode|end|--zone|city", ["KAFKA_BOOTSTRAP"]),
        ("replay|--from-clickhouse", ["CLICKHOUSE_HOST"]),
    ],
)
def test_without_a_stack_and_variables_a_command_uses_nothing(line: str, variables: list[str]) -> None:
    result = run(*line.split("|"))
    assert result.exit_code == 2
    assert "no stack runs in .riskstream (start one: riskstream up)" in result.output
    for variable in variables:
        assert f"RISKSTREAM_{variable}" in result.output


def test_send_needs_the_server_of_its_way(tmp_path: Path) -> None:
    file = tmp_path / "rain.csv"
    file.write_text("time,rain_mm\n2026-01-01T00:00:00Z,0.2\n2026-01-01T00:05:00Z,0.4\n")
    result = run(
        "send", str(file), "--kind", "rainfall", "--sensor", "RF-1", "--original-time", "--column", "rain_mm=rain_mm"
    )
    assert result.exit_code == 2
    assert "RISKSTREAM_HTTP_HOST is not set" in result.output


def test_one_variable_or_a_line_of_the_config_file_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("kafka_bootstrap: 127.0.0.1:1\n")
    monkeypatch.setenv("RISKSTREAM_CONFIG", str(config))
    monkeypatch.setenv("RISKSTREAM_CLICKHOUSE_HTTP_PORT", "1")
    require(load_settings(), "kafka", "clickhouse")


def test_what_only_looks_at_files_needs_no_server() -> None:
    assert run("migrate", "--print").exit_code == 0
    assert run("simulate", "--scenario", "list").exit_code == 0
    assert run("sql", "--help").exit_code == 0


def test_kafka_that_does_not_answer_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("RISKSTREAM_KAFKA_BOOTSTRAP", address)
        began = time.monotonic()
        trouble = kafka_trouble(load_settings(), timeout_s=1)
        assert time.monotonic() - began < 5
        assert trouble is not None
        assert address in trouble
        assert "riskstream up" in trouble


@pytest.mark.parametrize("line", [f"registry|import|{CITY}", "alerts|watch", "mode|list", "migrate|--only|kafka"])
def test_commands_end_when_kafka_is_away(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("RISKSTREAM_KAFKA_BOOTSTRAP", address)
        monkeypatch.setattr("riskstream.servers.KAFKA_ANSWERS_WITHIN_S", 0.5)
        result = run(*line.split("|"))
    assert result.exit_code == 1
    assert f"Kafka at {address} does not answer" in result.output
    assert "KafkaError" not in result.output


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("alerts|list|--department|nosuch", "'nosuch'; allowed: "),
        ("alerts|watch|--department|nosuch", "'nosuch'; allowed: "),
        ("rejected|list|--reason|foo", "'unknown_sensor'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(
    line: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKSTREAM_CLICKHOUSE_HOST", "127.0.0.1")
    monkeypatch.setenv("RISKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    result = run(*line.split("|"))
    assert result.exit_code == 2
    assert allowed in result.output
