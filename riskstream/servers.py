"""Whether a command of people knows which servers it is to use, and whether Kafka answers.

Services take the default addresses; a person who forgot to start the stack must not reach whatever listens there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from runtime.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# server -> the settings of which one says where it is; the first is what people are told to set
_SETTINGS = {
    "kafka": ("kafka_bootstrap",),
    "clickhouse": ("clickhouse_host", "clickhouse_port", "clickhouse_http_port"),
    "mqtt": ("mqtt_host", "mqtt_port"),
    "http": ("http_host", "http_port"),
}
KAFKA_ANSWERS_WITHIN_S = 5.0


class NoServerError(click.ClickException):
    """Nothing says where a server is: no stack runs in the folder, and no variable is set."""

    exit_code = 2


def is_set(settings: Settings, server: str) -> bool:
    """Whether the settings say where a server is, rather than their defaults."""
    return not settings.model_fields_set.isdisjoint(_SETTINGS[server])


def require(settings: Settings, *servers: str) -> None:
    """Raise NoServerError unless the settings say where each of these servers is (a running stack sets them)."""
    missing = [server for server in servers if not is_set(settings, server)]
    if missing:
        names = [f"RISKSTREAM_{_SETTINGS[server][0].upper()}" for server in missing]
        verb = "is" if len(names) == 1 else "are"
        raise NoServerError(
            f"no stack runs in {_folder()} (start one: riskstream up), and {' and '.join(names)} {verb} not set"
        )


def needs(*servers: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates the function of a click command: it runs only if `require` finds nothing missing."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            from runtime.settings import SettingsError, load_settings

            try:
                settings = load_settings()
            except SettingsError as error:
                raise click.UsageError(str(error)) from error
            require(settings, *servers)
            return command(*args, **kwargs)

        return checked

    return decorate


def kafka_trouble(settings: Settings, timeout_s: float | None = None) -> str | None:
    """Ask Kafka for its topics; None if it answers, else why not and what to do.

    To be called before a client that would wait and retry for much longer.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from runtime.kafka import client_config

    try:
        AdminClient(client_config(settings) | {"log_level": 0}).list_topics(timeout=timeout_s or KAFKA_ANSWERS_WITHIN_S)
    except KafkaException as error:
        first = error.args[0]
        why = first.str() if hasattr(first, "str") else str(first)
        return (
            f"Kafka at {settings.kafka_bootstrap} does not answer: {why} (riskstream up starts it, riskstream status "
            "shows it; RISKSTREAM_KAFKA_BOOTSTRAP says where it is)"
        )
    return None


def _folder() -> str:
    import os

    from deploy.local.paths import DEFAULT_FOLDER

    return os.environ.get("RISKSTREAM_HOME") or str(DEFAULT_FOLDER)
