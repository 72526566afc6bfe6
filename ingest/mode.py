"""Why readings are sent, and the run that they belong to: the same over both ways in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from schemas.batch import Mode

RUN_ID = re.compile(r"[A-Za-z0-9._:-]{0,100}")
RUN_ID_ALLOWED = "letters, digits and . _ : -, at most 100"


class Run(NamedTuple):
    """The mode of readings, and the id of the run; empty: none."""

    mode: Mode
    run_id: str


LIVE = Run(Mode.LIVE, "")


def run_of(properties: Sequence[tuple[str, str]]) -> Run:
    """What MQTT 5 user properties say; others than ours are ignored. Raises ValueError for what is not allowed."""
    said = dict(properties)
    mode, run_id = said.get("riskstream-mode", Mode.LIVE), said.get("riskstream-run-id", "")
    if mode not in tuple(Mode):
        raise ValueError(f"riskstream-mode is {mode[:50]!r}; allowed: {', '.join(Mode)}")
    if not RUN_ID.fullmatch(run_id):
        raise ValueError(f"riskstream-run-id is {run_id[:120]!r}; allowed: {RUN_ID_ALLOWED}")
    return Run(Mode(mode), run_id)
