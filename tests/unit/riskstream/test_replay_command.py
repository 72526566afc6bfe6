"""`riskstream replay` over files and scenarios: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from riskstream.replay.command import replay

RULES = """
standard: t
version: 1
rules:
  - id: gas.low
    title: {{en: Low}}
    kind: gas_pressure
    value: pressure_kpa
    below: {{yellow: {yellow}, red: {red}}}
    departments: [gas]
    source: made up
    confidence: low
"""
SENSOR = "GP-DQ-123-1"
VALUES = [2.0, 1.4, 0.5, 2.0, 2.0, 1.6, 2.0]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(replay, [str(one) for one in arguments])


@pytest.fixture
def readings(tmp_path: Path) -> Path:
    path = tmp_path / "readings.csv"
    lines = [f"{SENSOR},2026-07-01T00:{minute:02}:00Z,{value}" for minute, value in enumerate(VALUES)]
    path.write_text("\n".join(["sensor_id,observed_at,pressure_kpa", *lines]) + "\n")
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", yellow=1.5, red=1.0)


def write_rules(folder: Path, yellow: float, red: float) -> Path:
    folder.mkdir()
    (folder / "gas.yaml").write_text(RULES.format(yellow=yellow, red=red))
    return folder


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_alerts_of_a_file_and_a_summary(readings: Path, rules: Path) -> None:
    result = run(readings, "--rules", rules, "--format", "json")
    (alert,) = rows(result)
    assert (alert["rule"], alert["level"], alert["sensors"], alert["events"]) == ("gas.low", "red", [SENSOR], 3)
    assert (alert["raised_at"], alert["cleared_at"]) == ("2026-07-01T00:01:00.000Z", "2026-07-01T00:03:00.000Z")
    assert "7 readings in " in result.stderr
    assert "3 signals, 1 alerts\n  gas.low: 1 red" in result.stderr
    again = run(readings, "--rules", rules, "--format", "json")
    assert again.stdout == result.stdout


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_results_as_files(readings: Path, rules: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    result = run(readings, "--rules", rules, "--out", out, "--out-format", form, "--show", "none")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    found = {}
    for name in ("alerts", "signals", "summary"):
        path = out / f"{name}.{form}"
        if form == "csv":
            found[name] = list(csv.DictReader(path.open()))
        elif form == "json":
            found[name] = [json.loads(line) for line in path.read_text().splitlines()]
        else:
            found[name] = pyarrow.parquet.read_table(path).to_pylist()
    assert [one["level"] for one in found["signals"]] == ["yellow", "red", "none"]
    assert [one["sequence"] for one in found["signals"]] in ([1, 2, 3], ["1", "2", "3"])
    assert found["alerts"][0]["rule"] == "gas.low"
    assert str(found["summary"][0]["red"]) == "1"


def test_nothing_raised_writes_the_columns_all_the_same(readings: Path, tmp_path: Path) -> None:
    calm = write_rules(tmp_path / "calm", yellow=0.1, red=0.05)
    for form in ("csv", "parquet"):
        result = run(readings, "--rules", calm, "--out", tmp_path / form, "--out-format", form, "--show", "none")
        assert result.exit_code == 0, result.output
    assert "raised_at,level,rule" in (tmp_path / "csv" / "alerts.csv").read_text()
    assert pyarrow.parquet.read_table(tmp_path / "parquet" / "alerts.parquet").num_rows == 0


def test_compared_with_other_rules(readings: Path, rules: Path, tmp_path: Path) -> None:
    other = write_rules(tmp_path / "other", yellow=1.7, red=0.4)
    result = run(readings, "--rules", rules, "--compare", other, "--format", "json")
    (row,) = rows(result)
    assert (row["rule"], row["zone"]) == ("gas.low", "lanshui/dongqiao/willow-ferry")
    assert {name: row[name] for name in ("gained", "lost", "earlier", "later", "higher", "lower", "same")} == {
        "gained": 1, "lost": 0, "earlier": 0, "later": 0, "higher": 0, "lower": 1, "same": 0,
    }  # fmt: skip
    assert "compared: 1 gained, 1 lower" in result.stderr
    changes = rows(run(readings, "--rules", rules, "--compare", other, "--show", "changes", "--format", "json"))
    assert [(one["change"], one["level_before"], one["level"]) for one in changes] == [
        ("lower", "red", "yellow"), ("gained", None, "yellow"),
    ]  # fmt: skip


def test_known_events(readings: Path, rules: Path, tmp_path: Path) -> None:
    label = tmp_path / "known.csv"
    label.write_text(
        f"from,until,sensor\n2026-07-01T00:00:30Z,2026-07-01T00:02:30Z,{SENSOR}\n"
        f"2026-07-01T00:05:00Z,2026-07-01T00:06:00Z,{SENSOR}\n"
    )
    result = run(readings, "--rules", rules, "--label", label, "--format", "json")
    assert [(one["result"], one["delay_s"], one["lead_s"]) for one in rows(result)] == [
        ("detected", 30.0, 90.0), ("missed", None, None),
    ]  # fmt: skip
    assert "events: 1 of 2 detected, 1 missed; 0 false alarms" in result.stderr
    late = run(
        readings, "--rules", rules, "--label", label, "--report-since", "2026-07-01T00:04:00Z", "--format", "json"
    )
    assert [one["result"] for one in rows(late)] == ["missed"]


def test_what_if(readings: Path, rules: Path) -> None:
    harder = run(readings, "--rules", rules, "--scale-field", "pressure_kpa=0.9", "--compare-unchanged",
                 "--show", "changes", "--format", "json")  # fmt: skip
    assert [one["change"] for one in rows(harder)] == ["gained"]
    shifted = run(readings, "--rules", rules, "--shift-field", "pressure_kpa=2", "--format", "json")
    assert rows(shifted) == []


def test_a_recorded_device(rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "device.txt"
    path.write_text("# a device\nt p\n" + "".join(f"{60 * n} {1000 * v}\n" for n, v in enumerate(VALUES)))
    mapped = ("--skip-lines", 1, "--time-format", "elapsed", "--start-time", "2026-07-01T00:00:00",
              "--field", "pressure_kpa=p/1000")  # fmt: skip
    result = run(path, "--kind", "gas_pressure", "--sensor", SENSOR, "--rules", rules, *mapped, "--format", "json")
    assert [one["level"] for one in rows(result)] == ["red"]


def test_a_storm_that_is_worse_raises_more() -> None:
    arguments = ("--scenario", "storm", "--duration", "12m", "--rate", 200, "--scale-field", "rain_mm=1.3")
    result = run(*arguments, "--compare-unchanged", "--format", "json")
    table = {row["rule"]: row for row in rows(result) if row["rule"] == "flood.rain"}
    assert table
    assert sum(int(str(row[change])) for row in table.values() for change in ("gained", "earlier", "higher")) > 0
    assert sum(int(str(row["lost"])) for row in table.values()) == 0


def test_the_couplings_of_a_storm_with_a_leak_each_once_in_order() -> None:
    result = run("--scenario", "storm-and-leak", "--duration", "21m", "--rate", 200, "--format", "json")
    coupled = [one["rule"] for one in rows(result) if str(one["rule"]).startswith("coupled.")]
    assert coupled[0] == "coupled.wide-failure"
    assert coupled[-1] == "coupled.underpass-in-a-storm"
    assert sorted(coupled) == [
        "coupled.gas-in-chamber", "coupled.leak-confirmed", "coupled.underpass-in-a-storm", "coupled.wide-failure",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give FILES, --from-clickhouse or --scenario, one of them"),
        (["FILE", "--scenario", "storm"], "one of them"),
        (["FILE", "--sensor", "x"], "needs --kind"),
        (["FILE", "--since", "1h"], "--since, --until and --zone need --from-clickhouse"),
        (["FILE", "--kind", "gas"], "unknown kind 'gas'; allowed: bridge_strain"),
        (["FILE", "--kind", "gas_pressure", "--sensor", "x"], "x is not a gas_pressure sensor of the registry"),
        (["FILE", "--scale-field", "level=2"], "no kind has a field 'level'"),
        (["FILE", "--scale-field", "level_m"], "allowed: FIELD=NUMBER such as level_m=1.3"),
        (["FILE", "--compare-unchanged"], "needs --scale-field or --shift-field"),
        (["FILE", "--show", "events"], "--show events needs --label"),
        (["FILE", "--show", "changes"], "needs --compare"),
        (["FILE", "--rules", "FILE"], "readings.csv:1"),
        (["--scenario", "flood"], "unknown scenario 'flood'; allowed: gas-leak"),
    ],
)
def test_wrong_options_are_named(readings: Path, arguments: list[str], message: str) -> None:
    result = run(*(readings if one == "FILE" else one for one in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
