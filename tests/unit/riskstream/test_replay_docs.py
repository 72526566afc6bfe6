"""The examples of docs/replay.md, one after the other in one folder; what they print is what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "replay.md"
_BLOCK = re.compile(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)
_ID = re.compile(r"\b[0-9a-f]{32}\b")


def test_every_example_of_the_page(tmp_path: Path) -> None:
    found = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) >= 6
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command, said in found:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if said:
            assert _ID.sub("ID", done.stdout) == said, command


def test_the_page_names_every_option() -> None:
    from riskstream.replay.command import replay

    page = PAGE.read_text(encoding="utf-8")
    as_send = {"--column", "--field", "--skip-lines", "--delimiter", "--missing", "--time-column", "--time-format",
               "--start-time", "--start-time-regex", "--start-format", "--timezone", "--encoding", "--member"}  # fmt: skip
    own = {option for parameter in replay.params for option in parameter.opts if option.startswith("--")} - as_send
    known = {"--kind", "--sensor", "--format", "--start", "--duration", "--seed", "--rate"}
    assert own - known <= set(re.findall(r"--[a-z-]+", page))
