"""Tables on terminals of 80 columns."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from riskstream.alerts import _COLUMNS, SHORTEN
from riskstream.output import show_rows, table_of
from riskstream.sql import vertical

ALERT = {
    "raised_at": "2026-07-01 12:00:00", "level": "orange", "state": "raised", "title": "Low gas pressure at the regulator",
    "zone": "lanshui/dongqiao/willow-ferry/heron-bank/g1", "sensor": "GP-DQ-111-1", "value": "1.2346",
    "alert_id": "0123456789ab",
}  # fmt: skip


def lines(table: Table, width: int) -> list[str]:
    console = Console(width=width, file=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def test_a_wide_terminal_shows_alerts_whole() -> None:
    shown = "\n".join(lines(table_of([ALERT], _COLUMNS, 200, SHORTEN, "title"), 200))
    assert ALERT["zone"] in shown
    assert ALERT["alert_id"] in shown


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_a_narrow_terminal_shortens_zones_and_breaks_no_word(width: int) -> None:
    table = table_of([ALERT], _COLUMNS, width, SHORTEN, "title")
    shown = lines(table, width)
    words = {word for line in shown for word in line.replace("│", " ").split()}
    assert all(len(line.rstrip()) <= width for line in shown)
    assert {"orange", "raised", "GP-DQ-111-1", "1.2346", "Low", "gas", "pressure", "at", "the", "regulator"} <= words
    assert any(word.endswith("g1") for word in words)


def test_no_rows_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([], ["a"], "table")
    assert capsys.readouterr().out == "none\n"
    show_rows([], ["a"], "csv")
    assert capsys.readouterr().out == "a\n"


def test_a_row_too_wide_for_a_table_has_a_column_a_line() -> None:
    assert list(vertical(["id", "zone"], [[1, "a"], [None, "b"]])) == [
        "Row 1", "  id: 1", "zone: a", "Row 2", "  id: –", "zone: b",
    ]  # fmt: skip
