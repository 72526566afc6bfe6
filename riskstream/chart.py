"""A small chart of a series in braille dots, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# the bits of the dots of a braille cell: two columns of four, top to bottom
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line of the chart: its label (value of the axis), its cells, and the name of the threshold on it if any."""

    label: str
    cells: str
    threshold: str


def chart(
    low: Sequence[float], high: Sequence[float], thresholds: Mapping[str, float], height: int = 8
) -> list[ChartLine]:
    """Lowest and highest value of each time step (NaN: nothing measured), two steps a character; top line first.

    The axis takes in the thresholds unless one lies further than three times the values' range away.
    """
    values = [value for value in (*low, *high) if math.isfinite(value)]
    if not values:
        return []
    bottom, top = min(values), max(values)
    reach = 3 * (top - bottom) or max(abs(top), 1.0)
    near = {n: t for n, t in thresholds.items() if bottom - reach <= t <= top + reach}
    bottom, top = min((bottom, *near.values())), max((top, *near.values()))
    if bottom == top:
        bottom, top = bottom - 0.5, top + 0.5
    dots = height * 4

    def row(value: float) -> int:
        return min(dots - 1, max(0, round((top - value) / (top - bottom) * (dots - 1))))

    width = (len(low) + 1) // 2
    cells = [[0] * width for _ in range(height)]
    for step, (least, most) in enumerate(zip(low, high, strict=True)):
        if math.isfinite(least) and math.isfinite(most):
            for y in range(row(most), row(least) + 1):
                cells[y // 4][step // 2] |= _DOTS[step % 2][y % 4]
    marked = {row(value) // 4: name for name, value in near.items()}
    lines = []
    for index, line in enumerate(cells):
        name = marked.get(index, "")
        filler = "╌" if name else " "
        text = "".join(chr(_BLANK + bits) if bits else filler for bits in line)
        value = near[name] if name else top - (top - bottom) * index / max(1, height - 1)
        label = f"{value:.5g}" if name or index in (0, height - 1) else ""
        lines.append(ChartLine(label, text, name))
    return lines
