"""`riskstream sql` on the real ClickHouse, and every query that docs/clickhouse.md shows."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from riskstream.sql import sql
from runtime.settings import Settings
from schemas.kinds import load_kinds
from sinks.tables import columns
from tests.integration.sink_bench import prepare, rows, settings_of
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

PAGE = Path(__file__).parents[2] / "docs" / "clickhouse.md"


@pytest.fixture
def settings(space: Space, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in space.environment.items():
        monkeypatch.setenv(name, value)
    return settings_of(space)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(sql, arguments, input=stdin)


def test_forms_and_errors(settings: Settings) -> None:
    assert run("SELECT 1 AS a, 'x;y' AS b").stdout == "a\tb\n1\tx;y\n"
    assert run("--format", "csv", "SELECT 1 AS a, 'x' AS b").stdout == '"a","b"\n1,"x"\n'
    assert json.loads(run("--format", "json", "SELECT toUInt64(1) AS a").stdout)["data"] == [{"a": 1}]
    table = run("--format", "table", "SELECT 1.5 AS a, NULL AS b, [1, 2] AS c").stdout
    assert all(part in table for part in ("a", "1.5", "–", "[1, 2]"))
    assert run(stdin="SELECT 1 AS a; -- SELECT 2;\nSELECT 3 AS b;\n").stdout == "a\n1\nb\n3\n"
    assert "Row 1:" in run("SELECT 1 FORMAT Vertical").stdout

    wrong = run("SELEC 1")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: Syntax error")
    assert "Stack trace" not in wrong.stderr
    assert "(UNKNOWN_TABLE, 60)" in run("SELECT * FROM nowhere").stderr


def test_it_only_reads_unless_told(settings: Settings) -> None:
    refused = run("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert refused.exit_code == 1
    assert "only reads unless --write" in refused.stderr
    assert run("--write", "CREATE TABLE t (a Int8) ENGINE = Memory").exit_code == 0
    assert run("SELECT count() AS n FROM t").stdout == "n\n0\n"


def test_clickhouse_away_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_CLICKHOUSE_HTTP_PORT", "1")
    result = run("SELECT 1")
    assert result.exit_code == 1
    assert "ClickHouse at 127.0.0.1:1 is not reachable" in result.stderr


def test_the_prompt_takes_queries_of_several_lines(space: Space, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, **space.environment, "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "100"}
    command = [sys.executable, "-c", "from riskstream.sql import sql; sql()"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        try:
            seen += os.read(ours, 65_536).decode(errors="replace")
        except (BlockingIOError, OSError):
            return text in seen
        return text in seen

    try:
        wait_until(lambda: shows("sql> "), "a prompt")
        os.write(ours, b"SELECT 41 +\n")
        wait_until(lambda: shows("… "), "it asks for more")
        os.write(ours, b"1 AS answer;\n")
        wait_until(lambda: shows("1 row, "), "the answer")
        assert "42" in seen.split("answer;")[1]
        wait_until(lambda: shows("") and seen.count("sql> ") == 2, "the next prompt")
        os.write(ours, b"SELEC;\n")
        wait_until(lambda: shows("UNKNOWN_IDENTIFIER") and seen.count("sql> ") == 3, "the error, and the next prompt")
        os.write(ours, b"\\q\n")
        assert process.wait(10) == 0
    finally:
        process.kill()
        os.close(ours)
    history = (tmp_path / ".local/state/riskstream/sql_history").read_text()
    assert "1 AS answer;" in history


def shown_queries() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_query_of_the_page_runs(settings: Settings) -> None:
    prepare(settings)
    assert len(shown_queries()) >= 5
    for query in shown_queries():
        result = run(query)
        assert result.exit_code == 0, f"{query}\n{result.stderr}"


def test_the_page_names_every_table_and_column(settings: Settings) -> None:
    prepare(settings)
    page = PAGE.read_text(encoding="utf-8")
    readings = [column.name for column in columns(load_kinds()["rainfall"]) if column.name != "rain_mm"]
    found = rows(
        settings,
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND NOT startsWith(table, 'readings_')",
    )
    sections = dict(re.findall(r"^### `(\w+)`.*?\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE))
    for table, name in [*found, *(("readings_kind", name) for name in readings)]:
        if table in ("signals_log", "alert_events_log", "rule_versions_log", "mode_versions_log", "zone_risk_log"):
            table = table.removesuffix("_log")
        assert table in sections, f"docs/clickhouse.md has no section ### `{table}`"
        assert f"`{name}`" in sections[table], f"docs/clickhouse.md does not name {name} of {table}"
