"""`riskstream up`, `down`, `status` and `env`: everything on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deploy.local.paths import DEFAULT_FOLDER

if TYPE_CHECKING:
    from rich.console import Console

    from deploy.local.stack import StackOptions
    from deploy.local.state import PartState, StackState

F = TypeVar("F", bound=Callable[..., Any])


def folder_option(command: F) -> F:
    """The data folder, the same for every command of the stack."""
    return click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="RISKSTREAM_HOME",
        default=DEFAULT_FOLDER,
        show_default=True,
        help="Where the stack keeps its data and logs (or set RISKSTREAM_HOME).",
    )(command)


def parse_ports(values: tuple[str, ...]) -> dict[str, int]:
    """`NAME=PORT` words as a mapping. Raises click.BadParameter."""
    ports = {}
    for value in values:
        name, equals, number = value.partition("=")
        if not equals or not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 65_535:
            raise click.BadParameter(
                f"{value!r} is not NAME=PORT with a port from 1 to 65535, as in kafka=9092", param_hint="--port"
            )
        ports[name] = int(number)
    return ports


@click.command()
@folder_option
@click.option("--only", metavar="PARTS", help="Start these parts only, separated by commas.")
@click.option("--port", "ports", metavar="NAME=PORT", multiple=True, help="Fix a port; remembered. May be repeated.")
@click.option("--detach", "-d", is_flag=True, help="Return when all is healthy, and leave it running.")
def up(folder: Path, only: str | None, ports: tuple[str, ...], detach: bool) -> None:
    """Start Kafka, Mosquitto, ClickHouse and every Riskstream service on this machine.

    Ports are chosen at the first start and kept; data stays in the folder. Ctrl-C (or `riskstream down`)
    ends everything cleanly, a second Ctrl-C at once. A part that ends by itself is started again.

    \b
    Examples:
      riskstream up
      riskstream up --detach && riskstream status
      riskstream up --only kafka,mosquitto,clickhouse
      riskstream up --port kafka=19092 --port http-gateway=18080
    """
    from deploy.local.configuration import ConfigurationError
    from deploy.local.run import START_ERRORS
    from deploy.local.stack import StackOptions, UnknownPartError

    names = tuple(name.strip() for name in only.split(",") if name.strip()) if only else ()
    options = StackOptions(folder, names, parse_ports(ports))
    try:
        _up(options, detach)
    except (UnknownPartError, ConfigurationError) as error:
        raise click.UsageError(str(error)) from error
    except START_ERRORS as error:
        raise click.ClickException(str(error)) from error


def _up(options: StackOptions, detach: bool) -> None:
    import asyncio

    from deploy.local.run import start_detached, supervise

    def run(on_change: Callable[[StackState], None]) -> None:
        if detach:
            start_detached(options, on_change=on_change)
        else:
            asyncio.run(supervise(options, on_change))

    console = _console()
    if console.is_terminal:
        _show_live(console, options.folder, detach, run)
    else:
        run(_print_changes())
    if detach:
        click.echo(f"running in {options.folder}; end it with: riskstream down")


def _show_live(
    console: Console,
    folder: Path,
    detach: bool,
    run: Callable[[Callable[[StackState], None]], None],
) -> None:
    """One table, brought up to date in place."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from deploy.local.state import Phase
    from deploy.local.view import HEADINGS, parts_table

    latest: list[StackState] = []

    def picture() -> Group:
        if not latest:
            return Group(Text("starting …"))
        state = latest[0]
        hint = "   Ctrl-C ends it" if state.phase is Phase.RUNNING and not detach else ""
        heading = Text(f"Riskstream in {folder}: {HEADINGS[state.phase]}", style="bold").append(hint, style="dim")
        return Group(heading, parts_table(state, console.width))

    with Live(get_renderable=picture, console=console, refresh_per_second=4):
        run(lambda state: latest.__setitem__(slice(None), [state]))


def _print_changes() -> Callable[[StackState], None]:
    """A plain line for each change of a part or of the whole."""
    from deploy.local.view import HEADINGS, part_line

    shown: dict[str, PartState] = {}
    phase: list[str] = []

    def on_change(state: StackState) -> None:
        for part in state.parts:
            if shown.get(part.name) is not part.state and (part.name in shown or part.pid is not None):
                shown[part.name] = part.state
                click.echo(part_line(part))
        if phase != [state.phase]:
            phase[:] = [state.phase]
            click.echo(f"stack: {HEADINGS[state.phase]}")

    return on_change


@click.command()
@folder_option
def down(folder: Path) -> None:
    """End the stack that `riskstream up` started in this folder, and wait until it has ended.

    \b
    Example:
      riskstream down
    """
    from deploy.local.run import stop_stack

    on_change = None if _console().is_terminal else _print_changes()
    if stop_stack(folder, on_change=on_change):
        click.echo(f"ended; the data stays in {folder}")
    else:
        click.echo(f"no stack runs in {folder}")


@click.command()
@folder_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(folder: Path, form: str) -> None:
    """Show each part: its state, address, process, restarts. Exit code 0 only when all are healthy.

    \b
    Examples:
      riskstream status
      riskstream status --format json | jq '.parts[] | select(.state != "healthy")'
    """
    from deploy.local.state import read_state

    state = read_state(folder)
    running = state is not None and state.alive
    if form == "json":
        click.echo(json.dumps(_status_json(folder, state, running), indent=2))
    elif state is None or not running:
        click.echo(_why_nothing_runs(folder, state))
    else:
        from deploy.local.view import HEADINGS, parts_table

        console = _console()
        console.print(f"Riskstream in {folder}: {HEADINGS[state.phase]}", highlight=False)
        console.print(parts_table(state, console.width))
    sys.exit(0 if state is not None and running and state.healthy else 1)


def _status_json(folder: Path, state: StackState | None, running: bool) -> dict[str, Any]:
    import time
    from dataclasses import asdict

    now = time.time()
    return {
        "folder": str(folder.resolve()),
        "running": running,
        "healthy": state is not None and running and state.healthy,
        "phase": state.phase.value if state is not None and running else "stopped",
        "supervisor_pid": state.supervisor.pid if state is not None and running else None,
        "parts": [
            {
                **{name: value for name, value in asdict(part).items() if name != "since"},
                "uptime_s": round(now - part.since, 1) if part.pid is not None and part.since else None,
            }
            for part in (state.parts if state is not None and running else [])
        ],
    }


def _why_nothing_runs(folder: Path, state: StackState | None) -> str:
    from deploy.local.state import Phase

    if state is None or state.phase is Phase.STOPPED:
        return f"no stack runs in {folder}; start one with: riskstream up"
    if state.phase is Phase.FAILED:
        return f"no stack runs in {folder}; its last start failed: {state.reason}"
    return (
        f"no stack runs in {folder}; the last one (process {state.supervisor.pid}) was killed. "
        "Its data is kept; start it again with: riskstream up"
    )


@click.command()
@folder_option
def env(folder: Path) -> None:
    """Print the addresses of the running stack as shell variables, for other programs.

    Riskstream's own commands find the stack in the present folder by themselves.

    \b
    Example:
      eval "$(riskstream env)"
    """
    import shlex

    from deploy.local.state import running_state

    state = running_state(folder)
    if state is None:
        raise click.ClickException(f"no stack runs in {folder}; start one with: riskstream up")
    for name, value in sorted(state.environment.items()):
        click.echo(f"export {name}={shlex.quote(value)}")


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # a pipe has no width: no line is cut there
    return console if console.is_terminal else Console(width=240)
