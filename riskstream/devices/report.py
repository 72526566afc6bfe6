"""How commands that send show their progress and their counts."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from riskstream.devices.counts import Counts
from riskstream.devices.transport import Endpoints

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


EXIT_STOPPED = 130
"""Exit status of a command that Ctrl-C stopped, as shells have it."""


def in_words(seconds: float) -> str:
    """A long time span in its largest fitting unit: `12 minutes`, `3.5 hours`, `4 days`."""
    for name, size in (("days", 86_400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {name}" if seconds < 100 * size else f"{seconds / size:,.0f} {name}"
    return f"{seconds / 60:.0f} minutes"


class Duration(click.ParamType):
    """A click type: `90`, `90s`, `1.5m`, `2h` in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(
                f"{value!r} is not a duration; allowed: a number above 0 with s, m, h or d, such as 60s", param, ctx
            )
        return float(match[1]) * _SECONDS[match[2] or "s"]


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[float, float, Counts], None]]:
    """A bar on standard error where that is a terminal, nothing elsewhere; call it with (done, total, counts)."""
    if not sys.stderr.isatty():
        yield lambda done, total, counts: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=None, counts="")

        def update(done: float, total: float, counts: Counts) -> None:
            text = f"{counts.sent:,} sent, {counts.acknowledged:,} acknowledged, {counts.rejected.total():,} rejected"
            progress.update(task, completed=done, total=total, counts=text)

        yield update


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a play ends with its counts; a second one ends it at once."""
    stop = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def print_counts(counts: Counts, format_: str) -> None:
    """The table (or JSON) that ends a command."""
    if format_ == "json":
        click.echo(json.dumps(counts.as_dict()))
        return
    header = ("via", "messages", "sent", "acknowledged", "rejected", "unanswered")
    rows = [
        (name, c.messages, c.sent, c.acknowledged, c.rejected.total(), c.unanswered)
        for name, c in counts.transports.items()
    ]
    if len(rows) > 1:
        messages = sum(c.messages for c in counts.transports.values())
        total = (counts.sent, counts.acknowledged, counts.rejected.total(), counts.unanswered)
        rows.append(("total", messages, *total))
    click.echo(" ".join(f"{title:>12}" for title in header))
    for row in rows:
        click.echo(f"{row[0]:>12} " + " ".join(f"{number:>12,}" for number in row[1:]))
    for reason, readings in sorted(counts.rejected.items()):
        click.echo(f"rejected, {reason}: {readings:,}")
    resent = sum(c.resent for c in counts.transports.values())
    if resent:
        click.echo(f"{resent:,} messages were sent again after a lost connection or a busy gateway")


def endpoints_of_settings(http_url: str | None, api_key: str | None) -> Endpoints:
    """Where this machine's settings say the services are. Raises SettingsError."""
    from runtime.settings import load_settings

    settings = load_settings()
    return Endpoints(
        mqtt_host=settings.mqtt_host,
        mqtt_port=settings.mqtt_port,
        mqtt_username=settings.mqtt_username,
        mqtt_password=settings.mqtt_password.get_secret_value(),
        http_url=http_url or f"http://{settings.http_host}:{settings.http_port}",
        api_key=api_key or "",
    )
