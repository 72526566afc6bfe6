"""The demo: start everything, import the city, play it, count what became of every reading."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.local.paths import DEFAULT_FOLDER
from riskstream.devices.report import EXIT_STOPPED

if TYPE_CHECKING:
    from rich.console import Console

    from riskstream.devices.counts import Counts
    from runtime.settings import Settings
    from schemas.records import Alert


@click.command()
@click.option("--scenario", default="storm-and-leak", show_default=True, help="What happens (riskstream simulate).")
@click.option("--seconds", type=click.IntRange(min=5), default=60, show_default=True, help="How long to play.")
@click.option("--seed", default=7, show_default=True, help="The same seed draws the same city.")
@click.option("--stop", is_flag=True, help="End the stack afterwards, if the demo started it.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Save alerts and accounts as an SVG.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), envvar="RISKSTREAM_HOME", default=DEFAULT_FOLDER,
    show_default=True, help="Where the stack keeps its data and logs.",
)  # fmt: skip
def demo(scenario: str, seconds: int, seed: int, stop: bool, picture: Path | None, folder: Path) -> None:
    """A minute of a simulated city on the real Kafka, Mosquitto, Faust and ClickHouse.

    Starts the stack if none runs here, imports the sample city, plays a scenario over MQTT and HTTP, prints alerts as
    they come, and ends with what was sent, stored and raised. The stack goes on running, to be looked at.

    \b
    Examples:
      riskstream demo
      riskstream demo --scenario gas-leak --seconds 30 --stop

    \b
    Exit status: 0 if every reading sent is stored or rejected with a reason, 130 if stopped by Ctrl-C, otherwise 1.
    """
    from rich.console import Console

    from deploy.local.run import START_ERRORS, start_detached, stop_stack
    from deploy.local.stack import StackOptions
    from deploy.local.state import running_state

    # piped, lines are not cut to a terminal's width
    console = Console(highlight=False, record=picture is not None, width=None if sys.stdout.isatty() else 140)
    began = time.monotonic()
    ours = running_state(folder) is None
    if ours:
        console.print(f"Starting Kafka, Mosquitto, ClickHouse and the services in {folder} …")
        try:
            state = start_detached(StackOptions(folder, (), {}))
        except KeyboardInterrupt:
            console.print("stopped; the stack goes on starting: riskstream status shows it, riskstream down ends it")
            sys.exit(EXIT_STOPPED)
        except START_ERRORS as error:
            raise click.ClickException(str(error)) from error
        os.environ.update(state.environment)
        console.print(f"All parts are healthy after {time.monotonic() - began:.0f} s.\n")
    status = 1
    try:
        status = _play_and_report(console, folder, scenario, seconds, seed, picture)
    except KeyboardInterrupt:
        status = EXIT_STOPPED
        console.print("stopped")
    finally:
        if ours and stop:
            stop_stack(folder)
    if not (ours and stop):
        from riskstream.demo.report import how_to_call

        console.print(f"\nThe stack goes on running: look further, or end it with [bold]{how_to_call()} down[/].")
    sys.exit(status)


def _play_and_report(
    console: Console, folder: Path, scenario: str, seconds: int, seed: int, picture: Path | None
) -> int:
    """Returns the exit status."""
    from riskstream.demo.account import Account
    from riskstream.demo.gateways import wait_for_registry
    from riskstream.demo.report import show_accounts, show_addresses, show_alerts, show_examples
    from runtime.settings import load_settings

    settings = load_settings()
    account = Account(settings)
    version = import_city(settings)
    if not wait_for_registry(folder, version):
        raise click.ClickException(f"the gateways do not have version {version} of the registry: riskstream status")
    account.open()
    counts, stopped = _play(console, settings, scenario, seconds, seed)
    if stopped:
        console.print(f"\nStopped: {counts.sent:,} readings were sent. What became of them:")
    stored, rejected = account.wait_for(counts)
    whole = show_accounts(console, counts, stored, rejected)
    show_alerts(console, account)
    if stopped:
        return EXIT_STOPPED
    if picture is not None:
        svg = console.export_svg(title="riskstream demo", clear=False)
        # without the fonts that it would load from elsewhere: the reader's own will do
        picture.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    show_examples(console, settings)
    show_addresses(console, folder)
    return 0 if whole else 1


def import_city(settings: Settings) -> int:
    """As a user would do it, unless the registry has the whole city. What else is registered stays as it is.

    Returns the registry's version.
    """
    from riskstream.devices.city import SAMPLE_CITY, load_city
    from riskstream.registry_log import RegistryLogError, read_log
    from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC

    city = load_city()
    try:
        log = read_log(settings)
    except RegistryLogError as error:
        raise click.ClickException(str(error)) from error
    sensors, assets = log.entries(SENSORS_TOPIC), log.entries(ASSETS_TOPIC)
    if city.sensors.keys() <= sensors.keys():
        click.echo("the registry has the sensors of the sample city: nothing is imported")
        return log.versions[-1]
    others = [id_ for id_, one in city.sensors.items() if id_ in sensors and sensors[id_] != one]
    others += [id_ for id_, one in city.assets.items() if id_ in assets and assets[id_] != one]
    if others:
        raise click.ClickException(
            f"the registry has {', '.join(others[:5])}{' …' * (len(others) > 5)} with other data than the sample city, "
            "and the demo does not change them; use another folder: riskstream demo --folder demo-city"
        )
    command = [sys.executable, "-m", "riskstream", "registry", "import", "--add", str(SAMPLE_CITY)]
    if subprocess.run(command).returncode:
        raise click.ClickException("the sample city could not be imported")
    return log.next_version


def _play(console: Console, settings: Settings, scenario: str, seconds: int, seed: int) -> tuple[Counts, bool]:
    """What was sent, and whether Ctrl-C ended it early."""
    from riskstream.alert_lines import alert_line
    from riskstream.demo.feed import AlertFeed
    from riskstream.devices.city import load_city
    from riskstream.devices.play import default_speed, play
    from riskstream.devices.report import endpoints_of_settings, stop_on_interrupt
    from riskstream.devices.scenarios import ScenarioError, scenario_named
    from riskstream.devices.transport import TransportError

    try:
        about = scenario_named(scenario)
        speed = default_speed(scenario, seconds)
        city = load_city()
        console.print(f"\n[bold]{about.name}[/]: {about.doc}")
        console.print(
            f"{len(city.sensors):,} sensors, {seconds} s on the clock at ×{speed:.0f}; alerts as they come:\n"
        )

        def show(alert: Alert) -> None:
            # links repeat what is shown already, and the risk index moves with every alert
            if alert.event != "linked" and alert.type != "index":
                console.print(alert_line(alert, settings.timezone, brief=True), soft_wrap=True)

        with stop_on_interrupt() as stop, AlertFeed(settings, show):
            counts = play(
                city.sensors.values(), city.assets, city.kinds, endpoints_of_settings(None, None),
                scenario=scenario, duration_s=seconds, speed=speed, seed=seed, utc_offset_s=city.utc_offset_s,
                stop=stop,
            )  # fmt: skip
        return counts, stop.is_set()
    except (ScenarioError, TransportError) as error:
        raise click.ClickException(str(error)) from error
