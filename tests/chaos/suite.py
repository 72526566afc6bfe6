"""The scenarios by name, and how one of them becomes a row."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.oracle import Verdict
from tests.chaos.run import Pace, Run, Say
from tests.chaos.servers import Servers
from tests.chaos.table import Row

Body = Callable[[Run], None]


@dataclass(frozen=True)
class Scenario:
    """`body` brings the pipeline up, puts load on it and does the faults; the rest is the same for all.

    `short`: it is part of the selection that `make test` runs. `options` are those of the run.
    """

    name: str
    title: str
    hop: str
    body: Body
    short: bool = False
    options: dict[str, object] | None = None


SCENARIOS: dict[str, Scenario] = {}


def scenario(title: str, hop: str, *, short: bool = False, **options: object) -> Callable[[Body], Body]:
    """Enter a function into the suite under its own name."""

    def enter(body: Body) -> Body:
        name = body.__name__.replace("_", "-")
        assert name not in SCENARIOS, name
        SCENARIOS[name] = Scenario(name, title, hop, body, short, options)
        return body

    return enter


def run_scenario(chosen: Scenario, servers: Servers, folder: Path, pace: Pace, say: Say, mutation: str = "") -> Row:
    """Run one scenario on the servers, which are started where they do not run. Never raises: a failure is in the row."""
    began = time.monotonic()
    row = Row(chosen.name, chosen.title, chosen.hop)
    run: Run | None = None
    try:
        servers.start()
        run = Run(
            servers,
            folder / chosen.name,
            pace,
            say,
            mutation,
            id=f"c_{secrets.token_hex(4)}",
            **(chosen.options or {}),  # type: ignore[arg-type]
        )
        with run:
            chosen.body(run)
            if not run.faults:
                raise AssertionError("the scenario injected nothing")
            fill(row, run, run.verdict())
    except Exception as error:
        row.failure = f"{type(error).__name__}: {error}"
        if not isinstance(error, AssertionError):
            row.failure += "\n" + "".join(traceback.format_exception(error)[-3:])
    if run is not None:
        row.faults = [f.what if f.times == 1 else f"{f.what} ×{f.times}" for f in run.faults.values()]
        row.recovery_s = run.recovery_s
        row.notes = [*run.notes, *row.notes]
        row.readings = row.readings or len(run.ledger.acknowledged)
        if row.failure and run.ledger.statuses:
            row.notes.append(f"the devices' posts ended with {run.ledger.statuses}")
        row.sent_again = run.ledger.again
    row.seconds = time.monotonic() - began
    return row


def fill(row: Row, run: Run, verdict: Verdict) -> None:
    row.readings, row.lost, row.doubled = verdict.readings, len(verdict.lost), verdict.doubled
    row.alerts, row.repeats = verdict.alerts, verdict.repeats
    row.alerts_missed, row.alerts_doubled = len(verdict.alerts_missed), len(verdict.alerts_doubled)
    wrong = []
    if not verdict.readings:
        wrong.append("no reading was acknowledged")
    if not verdict.alerts:
        wrong.append("the readings gave no alerts")
    if verdict.lost:
        wrong.append(f"lost, such as {verdict.lost[:3]}")
    if verdict.doubled:
        wrong.append(f"{verdict.doubled} rows too many")
    if verdict.strange:
        wrong.append(f"{len(verdict.strange)} stored that were not sent so, such as {verdict.strange[:3]}")
    wrong += [f"alert missed: {one}" for one in verdict.alerts_missed[:3]]
    wrong += [f"alert too many: {one}" for one in verdict.alerts_doubled[:3]]
    wrong += verdict.differences
    row.failure = "\n".join(wrong)
    if run.unanswered:
        row.notes.append(f"{run.unanswered} readings were never acknowledged")
    if verdict.repeats:
        row.notes.append(f"{verdict.repeats} alert events published again with the same sequence")
