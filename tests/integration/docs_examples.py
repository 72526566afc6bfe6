"""The examples of a docs page: each ```sh block, and the ```json block behind it if there is one."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
# those of the sample city that the examples name
DOCS_SENSORS = {"GP-DQ-111-1": "gas_pressure", "BS-1-01": "bridge_strain", "RF-DQ-11": "rainfall"}
_BLOCK = re.compile(r"```sh\n(.*?)```\n(?:```json\n(.*?)```)?", re.DOTALL)


def examples(page: str) -> list[tuple[str, str]]:
    """(command, what it prints) in the order of the page."""
    return [(command, said) for command, said in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))]


def run_example(command: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
