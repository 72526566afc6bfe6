"""The `riskstream` command: a front door that loads each subcommand only when it is called."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import click

# name -> "module:click command"; the first docstring line of each command is its help, kept here so
# that `riskstream --help` imports none of them
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("riskstream.demo.command:demo", "A minute of a simulated city, from device to alert to SQL."),
    "up": ("riskstream.stack_commands:up", "Start everything on this machine, and keep it running."),
    "down": ("riskstream.stack_commands:down", "End what `up` started."),
    "status": ("riskstream.stack_commands:status", "Each part: state, address, health."),
    "env": ("riskstream.stack_commands:env", "The running stack's addresses as shell variables."),
    "migrate": ("riskstream.migrate:migrate", "Make or bring up to date the Kafka topics and ClickHouse tables."),
    "mqtt-gateway": ("riskstream.services:mqtt_gateway", "Take readings from MQTT and publish them to Kafka."),
    "http-gateway": ("riskstream.services:http_gateway", "Take readings over HTTP and publish them to Kafka."),
    "processor": ("riskstream.services:processor", "Judge readings by the rules and publish signals."),
    "coupling": ("riskstream.services:coupling", "Judge couplings of signals and the risk index of zones."),
    "lifecycle": ("riskstream.services:lifecycle", "Turn signals into alerts for the departments."),
    "sink": ("riskstream.services:sink", "Store readings, signals, alerts and rejects in ClickHouse."),
    "sql": ("riskstream.sql:sql", "Ask ClickHouse: one query, or a prompt."),
    "alerts": ("riskstream.alerts:alerts", "Alerts: list them, show one with its evidence, watch them come."),
    "rejected": ("riskstream.rejected:rejected", "Readings that were rejected, and why."),
    "registry": ("riskstream.registry:registry", "Sensors and assets: import new versions, export any version."),
    "keys": ("riskstream.keys:keys", "API keys of the HTTP gateway: make one, list a file's."),
    "rules": ("riskstream.rules:rules", "Rules: check, test, show; apply new versions live, roll back."),
    "mode": ("riskstream.mode:mode", "Modes of zones: set emergency or peace, list, end."),
    "replay": ("riskstream.replay.command:replay", "Run rules over files, history or a scenario, and compare."),
    "simulate": ("riskstream.simulate:simulate", "Play a believable city over real MQTT and HTTP."),
    "send": ("riskstream.send:send", "Play a recorded file as a device would."),
}


class LazyGroup(click.Group):
    """A click group whose subcommands are imported on first use, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="riskstream")
def main() -> None:
    """Watches a city's lifelines through their sensors and warns the right department early.

    Commands find the stack that runs in this folder (`riskstream up`); RISKSTREAM_… variables win over it.
    """
    use_running_stack()


def use_running_stack() -> None:
    """Take the addresses of the stack that runs in this folder, where the environment does not say others."""
    from deploy.local.paths import DEFAULT_FOLDER
    from deploy.local.state import stack_environment

    folder = Path(os.environ.get("RISKSTREAM_HOME") or DEFAULT_FOLDER)
    for name, value in stack_environment(folder).items():
        os.environ.setdefault(name, value)
