"""The guide docs/rules/first-rule.md, followed to the letter up to where Kafka is needed; what it prints is what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rules" / "first-rule.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)


def test_the_guide(tmp_path: Path) -> None:
    for name in ("deploy", "processors"):
        (tmp_path / name).symlink_to(ROOT / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    alone, _ = PAGE.split("## In force")
    (first, _), *blocks = _BLOCK.findall(alone)
    subprocess.run(["bash", "-ec", first], cwd=tmp_path, check=True)
    folder = tmp_path / "first-rule"
    assert [bool(said) for _, said in blocks] == [True] * 7
    for command, said in blocks:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout == said, command


def test_what_the_text_says_of_the_outputs() -> None:
    delays = re.findall(r"^detected,.*,([\d.]+)$", PAGE, re.MULTILINE)
    assert "After {:.0f} s instead of {:.0f} s".format(*map(float, delays)) in PAGE
    gained = re.search(r"^(\d+) gained, 0 lost$", PAGE, re.MULTILINE)
    assert gained
    assert f"3 % would raise {gained[1]} alerts" in PAGE
