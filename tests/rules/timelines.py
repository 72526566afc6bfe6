"""The timelines of docs/rules/: what an author writes of one, and the numbers that the engine gives for it.

A timeline is a block that begins with ```timeline. Its author writes what happens; the rest is drawn by
`python -m tests.rules.timelines`, and a test compares. The first line says what is drawn:

    mean(level_m, 30s)   water_level, a reading every 10s     an expression at one sensor, see `sensor_timelines`
    rule doc.for   water_level, a reading every 10s           a rule of the page
    coupling doc.all: the manhole drained before              a story of the page, see `coupling_timelines`

On the pages of functions, the bytes after `**State**:` are those of the first timeline's expression.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.rules.coupling_timelines import draw_coupling
from tests.rules.sensor_timelines import draw_sensor, state_bytes

PAGES = Path(__file__).parents[2] / "docs" / "rules"

BLOCK = re.compile(r"```timeline\n(.*?)```", re.DOTALL)
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_STATE = re.compile(r"\*\*State\*\*: [\d,]+ bytes")


def examples(page: str) -> list[str]:
    """The YAML examples of a page."""
    return _YAML.findall(page)


def drawn(page: str) -> str:
    """The page with its timelines drawn anew."""

    def draw(block: re.Match[str]) -> str:
        draw = draw_coupling if block[1].startswith("coupling ") else draw_sensor
        return f"```timeline\n{draw(block[1], examples(page))}```"

    page = BLOCK.sub(draw, page)
    first = BLOCK.search(page)
    return page if not first else _STATE.sub(lambda _: f"**State**: {state_bytes(first[1]):,} bytes", page)


def main() -> None:
    """Draw the timelines of all pages anew."""
    for path in sorted(PAGES.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        new = drawn(page)
        if new != page:
            path.write_text(new, encoding="utf-8")
            print(path.relative_to(PAGES))


if __name__ == "__main__":
    main()
