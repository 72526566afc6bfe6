"""`riskstream simulate`: a believable city over real MQTT and HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from riskstream.devices.report import Duration

VIA = ("mqtt", "http")


class _Via(click.ParamType):
    name = "via"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        ways = tuple(dict.fromkeys(str(value).split(",")))
        if not set(ways) <= set(VIA):
            self.fail(f"{value!r}; allowed: mqtt, http, or mqtt,http", param, ctx)
        return ways


@click.command()
@click.option("--scenario", default=None, help="What happens; `--scenario list` describes all. Nothing by default.")
@click.option("--duration", type=Duration(), default="60s", show_default=True, help="How long to play, on the clock.")
@click.option(
    "--speed",
    type=click.FloatRange(min=1),
    default=None,
    help="Event time against the clock; by default the scenario fits.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed draws the same city.")
@click.option("--via", type=_Via(), default="mqtt,http", show_default=True, help="Ways in.")
@click.option(
    "--rate", type=click.FloatRange(min=1), default=4000, show_default=True, help="Most readings a second, about."
)
@click.option(
    "--city",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Folder of sensors.csv and assets.csv; the sample city by default.",
)
@click.option("--http-url", default=None, help="Address of the HTTP gateway; from the settings by default.")
@click.option("--api-key", envvar="RISKSTREAM_API_KEY", default=None, help="API key of the HTTP gateway.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def simulate(
    scenario: str | None,
    duration: float,
    speed: float | None,
    seed: int,
    via: tuple[str, ...],
    rate: float,
    city: Path | None,
    http_url: str | None,
    api_key: str | None,
    format_: str,
) -> None:
    """Play a believable city over real MQTT and HTTP.

    Event time runs SPEED times faster than the clock and ends at now, so nothing is in the future; devices join once
    their readings are young enough not to be late. What runs faster than the clock is an exercise of its own run: its
    alerts are marked so. The registry must know the sensors (riskstream registry import).

    \b
    Examples:
      riskstream simulate
      riskstream simulate --scenario storm-and-leak
      riskstream simulate --scenario gas-leak --duration 2m --speed 10 --via mqtt --format json

    \b
    Exit status: 0 every reading was answered, 1 some were not or sending failed, 2 an option is wrong, 130 stopped by
    Ctrl-C.
    """
    from riskstream.devices.city import CityError, load_city
    from riskstream.devices.play import Progress, default_speed, play
    from riskstream.devices.report import (
        EXIT_STOPPED,
        endpoints_of_settings,
        print_counts,
        progress_bar,
        stop_on_interrupt,
    )
    from riskstream.devices.scenarios import LEAD_IN_S, SCENARIOS, ScenarioError, scenario_named
    from riskstream.devices.transport import TransportError
    from riskstream.servers import require
    from runtime.settings import SettingsError, load_settings

    if scenario == "list":
        for known in SCENARIOS.values():
            click.echo(f"{known.name}\n  {known.doc}")
        return
    try:
        require(load_settings(), *(way for way in via if way != "http" or http_url is None))
        endpoints = endpoints_of_settings(http_url, api_key)
        loaded = load_city(city)
        chosen = None if scenario is None else scenario_named(scenario)
        speed = default_speed(scenario, duration) if speed is None else speed
    except (SettingsError, CityError, ScenarioError) as error:
        raise click.UsageError(str(error)) from error
    if chosen and duration * speed < chosen.span_s + LEAD_IN_S:
        click.echo(
            f"{chosen.name} needs {chosen.span_s + LEAD_IN_S:g} s of event time; "
            f"{duration:g} s at ×{speed:g} play {duration * speed:g} s of it",
            err=True,
        )
    with stop_on_interrupt() as stop, progress_bar(f"{scenario or 'city'} ×{speed:g}") as show:

        def on_progress(progress: Progress) -> None:
            show(progress.elapsed_s, progress.duration_s, progress.counts)

        try:
            counts = play(
                loaded.sensors.values(),
                loaded.assets,
                loaded.kinds,
                endpoints,
                scenario=scenario,
                duration_s=duration,
                speed=speed,
                seed=seed,
                via=via,
                rate=rate,
                utc_offset_s=loaded.utc_offset_s,
                on_progress=on_progress,
                stop=stop,
            )
        except ScenarioError as error:
            raise click.UsageError(str(error)) from error
        except TransportError as error:
            raise click.ClickException(str(error)) from error
    print_counts(counts, format_)
    if stop.is_set():
        click.echo(f"stopped: what came after the {counts.sent:,} readings above was not sent", err=True)
        sys.exit(EXIT_STOPPED)
    sys.exit(1 if counts.unanswered else 0)
