"""`riskstream demo` as a newcomer runs it: every part, device to row over both ways in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


def test_every_reading_sent_is_stored_and_alerts_come(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "riskstream", "demo", "--seconds", "12", "--stop", "--folder", str(tmp_path / "stack")],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout

    def number(line: str) -> int:
        found = re.search(rf"{line}\s+([\d,]+)", shown)
        assert found, shown
        return int(found[1].replace(",", ""))

    assert number("sent over mqtt") > 1000
    assert number("sent over http") > 1000
    assert number("rows in ClickHouse") == number("sent over mqtt") + number("sent over http")
    assert "sent = stored + rejected" in shown
    for alert in ("red    changed  Low gas pressure", "red    changed  Methane", "raised   Water in the underpass"):
        assert alert in shown, shown
