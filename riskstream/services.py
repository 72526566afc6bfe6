"""The commands that run one service each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click


def _serve(service: str, run: Callable[[Any], None]) -> None:
    """Load the settings, set up the logs, run; a wrong setting, kind or rule ends it with exit code 2."""
    from runtime.logs import configure_logging
    from runtime.settings import SettingsError, load_settings

    try:
        settings = load_settings()
        configure_logging(settings, service)
        run(settings)
    except (SettingsError, ValueError) as error:
        if not _is_configuration(error):
            raise
        click.echo(str(error), err=True)
        sys.exit(2)


def _is_configuration(error: ValueError) -> bool:
    wrong = ("SettingsError", "KindError", "RuleError", "RuleErrors", "DepartmentsError", "KeysError")
    return type(error).__name__ in wrong


@click.command("mqtt-gateway")
def mqtt_gateway() -> None:
    """Take readings from MQTT and publish them to Kafka.

    \b
    RISKSTREAM_MQTT_HOST=broker RISKSTREAM_KAFKA_BOOTSTRAP=kafka:9092 riskstream mqtt-gateway
    """
    from ingest.mqtt_gateway import run

    _serve("mqtt-gateway", run)


@click.command("http-gateway")
def http_gateway() -> None:
    """Take readings over HTTP and publish them to Kafka.

    \b
    RISKSTREAM_HTTP_PORT=8080 RISKSTREAM_HTTP_API_KEYS=keys.txt riskstream http-gateway
    """
    from ingest.http_gateway import run

    _serve("http-gateway", run)


@click.command("processor")
@click.option("--kinds", default="all", show_default=True, help="Kinds to judge, comma-separated, or all.")
def processor(kinds: str) -> None:
    """Judge readings by the rules and publish signals.

    \b
    riskstream processor
    riskstream processor --kinds gas_pressure,gas_concentration
    """
    from processors.processor_app import run
    from runtime.settings import SettingsError

    only = None if kinds == "all" else [name for name in kinds.split(",") if name]
    if only == []:
        raise SettingsError("--kinds is empty; allowed: all, or names of kinds parted by commas")
    _serve("processor", lambda settings: run(settings, only))


@click.command("coupling")
def coupling() -> None:
    """Judge couplings of signals and outside events, and the risk index of zones."""
    from processors.coupling_app import run

    _serve("coupling", run)


@click.command("lifecycle")
def lifecycle() -> None:
    """Turn signals into alerts and publish them to every department concerned."""
    from processors.lifecycle_service import run

    _serve("lifecycle", run)


@click.command("sink")
def sink() -> None:
    """Store readings, signals, alerts and rejected readings in ClickHouse."""
    from sinks.sink import run

    _serve("sink", run)
