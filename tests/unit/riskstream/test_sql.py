"""Splitting queries, showing cells, shortening errors."""

from __future__ import annotations

import pytest

from riskstream.clickhouse_http import explain
from riskstream.sql import cell, statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT 'it\\';s'", ["SELECT ';'", "SELECT 'it\\';s'"]),
        ("SELECT 1 -- not; here\n; SELECT /* ; */ 2", ["SELECT 1 -- not; here", "SELECT /* ; */ 2"]),
        ('SELECT `a;b` AS "c;d"', ['SELECT `a;b` AS "c;d"']),
        (" ;; \n", []),
        ("SELECT 'open; ended", ["SELECT 'open; ended"]),
    ],
)
def test_statements(text: str, expected: list[str]) -> None:
    assert list(statements(text)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (1 / 3, "0.333333"), ([1, "a"], '[1, "a"]'), ({"en": "é"}, '{"en": "é"}'), (5, "5")],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (
            "Code: 62. DB::Exception: Syntax error: failed at position 1 (x): x. Expected one of: a, b. (SYNTAX_ERROR) (version 26.7)",
            "Syntax error: failed at position 1 (x): x (SYNTAX_ERROR, 62)",
        ),
        ("Code: 164. DB::Exception: r: In readonly mode. (READONLY)", "this would change data; riskstream sql only reads unless --write is given"),
        ("odd", "odd"),
    ],
)  # fmt: skip
def test_errors_are_short(text: str, short: str) -> None:
    assert explain(text) == short
