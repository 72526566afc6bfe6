"""Labelled recordings, replayed: the figures that docs/replay.md gives.

The recordings are no part of the repository: RISKSTREAM_RECORDINGS names their folder, `../shared/data` beside the
repository by default; where there is none, these tests say so and skip.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from riskstream.replay.command import replay

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("RISKSTREAM_RECORDINGS") or ROOT.parent / "shared" / "data")
EXAMPLES = ROOT / "docs" / "examples"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}; RISKSTREAM_RECORDINGS names their folder"
)
LOWERING = [
    *(str(FOLDER / f"bridge_strain_lowering_0{number}_100hz.csv.zip") for number in (1, 2)),
    "--kind", "bridge_strain", "--sensor", "REC-STRAIN-LOWERING", "--column", "strain_ue=DMS_CN (um/m)",
    "--time-format", "%Y-%d-%m %H:%M:%S.%f",
]  # fmt: skip
MACHINE = [
    str(FOLDER / "machine_temperature.csv"), "--kind", "machine_temperature", "--sensor", "MT-1",
    "--column", "temperature_f=value", "--registry", str(EXAMPLES / "machine_temperature"),
    "--rules", str(EXAMPLES / "machine_temperature" / "rules"),
    "--label", str(EXAMPLES / "machine_temperature" / "known.csv"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _only_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKSTREAM_RECORDINGS", raising=False)  # a name of the tests, not a setting


def events(*arguments: str) -> tuple[list[tuple[str, str, int | None, int | None]], str]:
    """Result, level, minutes from the beginning and to the end of each event; and the summary."""
    result = CliRunner().invoke(replay, [*arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    minutes = [[None if one[name] is None else round(one[name] / 60) for name in ("delay_s", "lead_s")] for one in rows]
    return [(one["result"], one["level"], *m) for one, m in zip(rows, minutes, strict=True)], result.stderr


def test_the_lowering_of_a_support_is_detected() -> None:
    found, summary = events(*LOWERING, "--label", str(EXAMPLES / "support_lowering.csv"))
    assert found == [("detected", "blue", 26, 3)]
    assert "1 of 1 detected, 0 missed; 0 false alarms" in summary


def test_the_bridge_at_rest_raises_nothing() -> None:
    found, summary = events(
        str(FOLDER / "bridge_strain_reference_100hz.csv.zip"), "--kind", "bridge_strain",
        "--sensor", "REC-STRAIN-REFERENCE", "--column", r"strain_ue=DMS_CN (um\m)",
    )  # fmt: skip
    assert found == []
    assert "60,000 readings" in summary
    assert "0 signals, 0 alerts" in summary


def test_machine_temperature_tuned_on_two_anomalies_detects_the_other_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_KINDS_DIRS", str(EXAMPLES / "machine_temperature"))
    tuned, summary = events(*MACHINE, "--report-until", "2013-12-18T00:00:00Z")
    assert tuned == [("detected", "yellow", 315, 2515), ("detected", "red", 995, 1835)]
    assert "2 of 2 detected, 0 missed; 0 false alarms in 15.1 days" in summary
    reported, summary = events(*MACHINE, "--report-since", "2013-12-18T00:00:00Z")
    assert reported == [("detected", "yellow", 1640, 1190), ("detected", "red", 330, 2500)]
    assert "2 of 2 detected, 0 missed; 2 false alarms in 63.6 days (0.03 a day)" in summary
