"""`riskstream rules`: exit status, one line a failure, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from processors.ruleset import SHIPPED
from riskstream.rules import rules


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rules, arguments)


def test_the_shipped_rules_are_good_and_their_stories_pass() -> None:
    checked = run("check")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert checked.stdout.endswith(" are good\n")
    played = run("test")
    assert played.exit_code == 0
    assert played.stdout.strip().endswith("stories pass")
    assert len(played.stdout.splitlines()) == 1


def test_couplings_are_checked_and_their_stories_played(tmp_path: Path) -> None:
    path = tmp_path / "couplings.yaml"
    text = (SHIPPED / "couplings.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    stories = (SHIPPED / "couplings.test.yaml").read_text(encoding="utf-8")
    (tmp_path / "couplings.test.yaml").write_text(stories, encoding="utf-8")
    checked = run("check", str(path))
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert " 8 couplings are good" in checked.stdout
    path.write_text(
        text.replace("within: 30m\n    raise: one above the highest", "within: 30m\n    raise: yellow"),
        encoding="utf-8",
    )
    failed = run("test", str(path), "--rule", "coupled.*")
    assert failed.exit_code == 1
    assert (
        ": coupled.gas-in-chamber: methane beside a full manhole: expected 10m orange; got 10m yellow" in failed.stdout
    )
    path.write_text(text.replace("gas.methane.high", "gas.methane.hi"), encoding="utf-8")
    refused = run("check", str(path))
    assert refused.exit_code == 2
    assert "did you mean `gas.methane.high`" in refused.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("gas.yaml", "gas.test.yaml"):
        (tmp_path / name).write_text((SHIPPED / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_a_changed_threshold_fails_a_story_with_a_line_and_a_drawing(folder: Path) -> None:
    path = folder / "gas.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("blue: 1.8,", "blue: 1.75,"), encoding="utf-8")
    failed = run("test", str(folder), "--rule", "gas.pressure.low")
    assert failed.exit_code == 1
    first = failed.stdout.splitlines()[0]
    assert first.startswith(f"{folder}/gas.test.yaml:2: gas.pressure.low: a slow fall passes the colours")
    assert "expected 3m40s blue, 4m40s yellow" in first
    assert "; got 3m50s blue, 4m40s yellow" in first
    drawing = failed.stdout.splitlines()[1:4]
    assert [line.split()[0] for line in drawing] == ["pressure_kpa", "expected", "got"]
    assert drawing[1].index("r") == drawing[2].index("r")
    as_json = run("test", str(folder), "--format", "json")
    assert as_json.exit_code == 1
    assert [s["passed"] for s in json.loads(as_json.stdout)].count(False) >= 1


def test_bad_rules_are_refused_with_place_and_caret(folder: Path) -> None:
    path = folder / "gas.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("median(pressure_kpa, 60s) ", "medan(pressure_kpa, 60s) "),
        encoding="utf-8",
    )
    for command in ("check", "test"):
        refused = run(command, str(path))
        assert refused.exit_code == 2
        assert "rules[gas.pressure.low].value: `medan` is not a function; did you mean `median`?" in refused.stderr
        assert "    medan(pressure_kpa, 60s)\n    ^^^^^\n" in refused.stderr
    assert (
        json.loads(run("check", str(path), "--format", "json").stdout)["faults"][0]["field"]
        == "rules[gas.pressure.low].value"
    )


def test_rules_without_stories_are_named(folder: Path) -> None:
    (folder / "gas.test.yaml").unlink()
    checked = run("check", str(folder))
    assert checked.exit_code == 0
    assert "warning: gas.methane.high: no story reaches yellow, orange, red; no story expects nothing" in checked.stderr


def test_show() -> None:
    shown = run("show", "gas.pressure.low")
    assert shown.exit_code == 0
    assert "below 1.8" in shown.stdout
    assert json.loads(run("show", "flood.*", "--format", "json").stdout)[0]["rule"] == "flood.underpass.depth"
    missing = run("show", "nothing.*")
    assert missing.exit_code == 1
    assert "no rule matches 'nothing.*'; rules: any.no-data" in missing.stderr


def test_no_rules_and_no_stories_are_faults(tmp_path: Path) -> None:
    checked = run("check", str(tmp_path))
    assert checked.exit_code == 2
    assert f"there are no rules in {tmp_path}" in checked.stderr
    played = run("test", "--rule", "nix*")
    assert played.exit_code == 2
    assert "no story is of a rule that matches 'nix*'; rules with stories: " in played.stderr
    assert "gas.pressure.low" in played.stderr
