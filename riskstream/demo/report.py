"""What the demo shows at its end."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from riskstream.demo.account import Account
from riskstream.demo.queries import EXAMPLES
from riskstream.devices.counts import Counts
from riskstream.output import LEVEL_STYLES
from riskstream.sql import show
from runtime.settings import Settings


def show_accounts(console: Console, counts: Counts, stored: Counter[str], rejected: Counter[str]) -> bool:
    """Every reading that was sent, and where it is now; True if sent = stored + rejected."""
    table = Table("", "readings", title="What became of every reading", title_justify="left", box=None)
    table.columns[1].justify = "right"
    for name, transport in counts.transports.items():
        table.add_row(f"sent over {name}", f"{transport.sent:,}")
    table.add_row("sent", f"{counts.sent:,}", style="bold")
    table.add_row("acknowledged", f"{counts.acknowledged:,}")
    table.add_row("rows in ClickHouse", f"{stored.total():,}")
    for reason, number in sorted(rejected.items()):
        table.add_row(f"rejected: {reason}", f"{number:,}")
    missing = counts.sent - stored.total() - rejected.total()
    whole = missing == 0
    verdict = "sent = stored + rejected" if whole else f"NOT ACCOUNTED FOR: {missing:,}"
    table.add_row(Text(verdict, style="bold green" if whole else "bold red"), "")
    console.print()
    console.print(table)
    return whole


def show_alerts(console: Console, account: Account) -> None:
    """Alerts by level and rule, and how quickly they came."""
    table = Table("level", "rule", "alerts", "cleared", title="Alerts", title_justify="left", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for level, rule, number, cleared in account.alerts():
        table.add_row(Text(level, style=LEVEL_STYLES.get(level, "")), rule, f"{number:,}", f"{cleared:,}")
    events, p50, p99 = account.latency()
    console.print()
    console.print(table)
    console.print(f"from receipt of a reading to its alert: p50 {p50:,.0f} ms, p99 {p99:,.0f} ms ({events} events)")


def show_examples(console: Console, settings: Settings) -> None:
    """Five queries with their results."""
    for example in EXAMPLES:
        console.print(f"\n[bold]{example.question}[/]")
        console.print(Text(example.sql, style="dim"))
        show(settings, example.sql, "table", False)


def show_addresses(console: Console, folder: Path) -> None:
    """Where to look further."""
    from deploy.local.state import running_state
    from deploy.local.view import parts_table

    state = running_state(folder)
    if state is not None:
        console.print()
        console.print(parts_table(state, console.width))
    me = how_to_call()
    console.print(f"\nNext: {me} status · {me} sql · {me} alerts list --open · {me} simulate --scenario list")


def how_to_call() -> str:
    """The command as a user can type it here: by name if it is on the path, else by where it is."""
    program = Path(sys.executable).with_name("riskstream")
    if shutil.which("riskstream"):
        return "riskstream"
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)
