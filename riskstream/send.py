"""`riskstream send`: plays recorded files as a device would."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from riskstream.recording_options import layout_of, recording_options

if TYPE_CHECKING:
    from riskstream.devices.transport import Endpoints, Transport
    from runtime.settings import Settings

LONG_S = 600
"""A play that takes longer is told before it starts."""


class _Speed(click.ParamType):
    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).lower().removeprefix("×").removeprefix("x")
        if text in ("max", "inf"):
            return float("inf")
        if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text) >= 1:
            self.fail(f"{value!r}; allowed: 1 (real time), a number above 1, or max", param, ctx)
        return float(text)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", required=True, help="Kind of the readings.")
@click.option("--sensor", "sensor_id", required=True, help="The sensor, as the registry knows it.")
@recording_options
@click.option("--speed", type=_Speed(), default="1", show_default=True, help="1 is real time; N times faster; max.")
@click.option(
    "--original-time", is_flag=True, help="Keep the recorded times: stored as history, not judged. Over HTTP."
)
@click.option("--run-id", default=None, help="Id of the run, with --original-time; the file's name by default.")
@click.option(
    "--via",
    type=click.Choice(["mqtt", "http"]),
    default=None,
    help="mqtt by default; http for --speed max, where the order matters, and for history.",
)
@click.option("--http-url", default=None, help="Address of the HTTP gateway; from the settings by default.")
@click.option("--api-key", envvar="RISKSTREAM_API_KEY", default=None, help="API key of the HTTP gateway.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def send(
    files: tuple[Path, ...],
    kind: str,
    sensor_id: str,
    speed: float,
    original_time: bool,
    run_id: str | None,
    via: str | None,
    http_url: str | None,
    api_key: str | None,
    format_: str,
    **layout: Any,
) -> None:
    """Play recorded FILES (text, zip or gzip) as one device would, moved to now.

    Several files are one series: the time between them stays as it was. The newest reading ends up at now; what is
    older than the kind's max_delay_s when sent is stored as late and not judged, and is told before it is sent.

    \b
    Examples:
      riskstream send bridge_strain_lowering_01_100hz.csv.zip bridge_strain_lowering_02_100hz.csv.zip \\
          --kind bridge_strain --sensor REC-STRAIN-LOWERING --column 'strain_ue=DMS_CN (um/m)' \\
          --time-format '%Y-%d-%m %H:%M:%S.%f' --speed max
      riskstream send methane_release_02_path1.txt --kind gas_concentration --sensor REC-METHANE \\
          --skip-lines 13 --time-format elapsed --start-time-regex '(\\d\\d/\\d\\d/\\d{4} .*)' \\
          --start-format '%d/%m/%Y %H:%M:%S.%f' --field methane_lel=CH4vmr_ppmv/500 --missing -65.536 --speed 60
      riskstream send surface_water_level.csv --kind water_level --sensor REC-SURFACE-WATER \\
          --column level_m=River --original-time

    \b
    Exit status: 0 every reading was answered, 1 some were not or sending failed, 2 an option or a file is wrong or the
    registry does not have the sensor, 130 stopped by Ctrl-C.
    """
    from riskstream.devices.archive import RecordingError
    from riskstream.devices.player import duration_s, late_when_sent, play_series
    from riskstream.devices.recording import join, read_recording
    from riskstream.devices.report import (
        EXIT_STOPPED,
        endpoints_of_settings,
        in_words,
        print_counts,
        progress_bar,
        stop_on_interrupt,
    )
    from riskstream.devices.transport import TransportError
    from riskstream.servers import require
    from runtime.settings import SettingsError, load_settings
    from schemas.kinds import KindError, load_kinds

    if original_time and via == "mqtt":
        raise click.UsageError("--original-time goes over HTTP only: MQTT has no place for the mode; use --via http")
    # messages of one device may overtake each other between the gateway's MQTT sessions, posts of one connection cannot
    way = via or ("http" if original_time or speed == float("inf") else "mqtt")
    try:
        settings = load_settings()
        kinds = load_kinds(*settings.kinds_dirs)
        if kind not in kinds:
            raise click.UsageError(f"unknown kind {kind!r}; allowed: {', '.join(kinds)}")
        endpoints = endpoints_of_settings(http_url, api_key)
        how = layout_of(**layout)
        series = join([read_recording(path, kinds[kind], how) for path in files])
    except (SettingsError, KindError, RecordingError) as error:
        raise click.UsageError(str(error)) from error
    if way != "http" or http_url is None:
        require(settings, way)
    _require_sensor(settings, sensor_id, kind)
    if not len(series):
        raise click.UsageError(f"no row has a value for every field that {kind} needs: {series.skipped} were skipped")
    if series.skipped:
        click.echo(f"{series.skipped:,} rows without a value are skipped", err=True)
    late = 0 if original_time else late_when_sent(series, kinds[kind], speed)
    if late:
        click.echo(
            f"{late:,} of {len(series):,} readings will be older than the {kinds[kind].max_delay_s:g} s "
            f"(max_delay_s) of {kind} when sent: stored as late, not judged. A lower --speed makes them younger, "
            "--original-time sends them as history",
            err=True,
        )
    seconds = 0.0 if original_time else duration_s(series, speed)
    if seconds > LONG_S:
        click.echo(
            f"takes about {in_words(seconds)} at --speed {speed:g}; use a higher --speed, or --original-time (stored "
            "as history, not judged)",
            err=True,
        )
    with stop_on_interrupt() as stop, progress_bar(f"{files[0].name} → {sensor_id}") as show:
        try:
            counts = play_series(
                series,
                kinds[kind],
                sensor_id,
                _transport(way, endpoints, run_id or f"send-{_slug(files[0].name)}" if original_time else None),
                way,
                speed=float("inf") if original_time else speed,
                move=not original_time,
                on_progress=show,
                stop=stop,
            )
        except TransportError as error:
            raise click.ClickException(str(error)) from error
    print_counts(counts, format_)
    if stop.is_set():
        click.echo(f"stopped: {len(series) - counts.sent:,} of {len(series):,} readings were not sent", err=True)
        sys.exit(EXIT_STOPPED)
    sys.exit(1 if counts.unanswered else 0)


def _require_sensor(settings: Settings, sensor_id: str, kind: str) -> None:
    """Raise UsageError for a sensor that the registry does not have as this kind; a registry out of reach is no fault.

    A device's machine need not reach Kafka; the gateway then rejects what it does not know.
    """
    from difflib import get_close_matches

    from riskstream.registry_log import RegistryLogError, read_log
    from riskstream.servers import is_set, kafka_trouble
    from schemas.registry import Sensor
    from schemas.registry_records import SENSORS_TOPIC

    if not is_set(settings, "kafka") or kafka_trouble(settings, timeout_s=2):
        return
    try:
        sensors = read_log(settings).entries(SENSORS_TOPIC)
    except RegistryLogError:
        return
    found = sensors.get(sensor_id)
    if found is None:
        near = get_close_matches(sensor_id, sensors, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise click.UsageError(
            f"the registry has no sensor {sensor_id!r}{hint} (riskstream registry import --add adds one)"
        )
    if isinstance(found, Sensor) and found.kind != kind:
        raise click.UsageError(f"the registry has {sensor_id} as {found.kind}, not {kind}")


def _transport(way: str, endpoints: Endpoints, run_id: str | None) -> Transport:
    from riskstream.devices.http import HttpTransport
    from riskstream.devices.mqtt import MqttTransport

    if way == "mqtt":
        import os
        import time

        client_id = f"riskstream-send-{os.getpid()}-{time.time_ns():x}"
        return MqttTransport(endpoints, client_id=client_id, connections=1)
    headers = {"Riskstream-Mode": "history", "Riskstream-Run-Id": run_id} if run_id else None
    # one connection: posts of one device stay in order
    return HttpTransport(endpoints, headers=headers, connections=1)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80]
