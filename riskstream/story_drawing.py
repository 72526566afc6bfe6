"""A story of a rule as lines for a terminal: its series as bars, and under them the signals expected and got.

pressure_kpa  ██████████▇▆▅▄▂▁▁▁▁▁▁▁▁▁  80 to 320
expected                  y o
got                         y o
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from processors.core.cases import START, Outcome
from processors.core.durations import duration_text

_BARS = "▁▂▃▄▅▆▇█"
_CLEARED = "c"


def draw_story(outcome: Outcome, width: int = 72) -> list[str]:
    """At most `width` characters for the series; if it is longer, several readings share one, which shows their mean.

    A signal stands at the reading of its time: the first letter of its level, `c` where it cleared.
    """
    case = outcome.case
    length = max(len(values) for values in case.series.values())
    share = -(-length // width)
    label = max(len(name) for name in (*case.series, "expected")) + 2
    scale = "" if share == 1 else f", {duration_text(share * case.every)} a character"
    lines = []
    for name, values in case.series.items():
        known = [value for value in values if math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=0.0)
        bars = "".join(_bar(values[i : i + share], low, high) for i in range(0, length, share))
        lines.append(f"{name.ljust(label)}{bars}  {low:g} to {high:g}{scale}")

    def marks(name: str, signals: Iterable[tuple[int, str]]) -> str:
        cells = [" "] * -(-length // share)
        for at, letter in signals:
            place = (at - case.from_) // case.every // share
            if 0 <= place < len(cells):
                cells[place] = letter
        return f"{name.ljust(label)}{''.join(cells)}".rstrip()

    wanted = [(one.at, _CLEARED if one.cleared else str(one.level)[0]) for one in case.expect]
    got = [(one.at - START, _CLEARED if one.transition == "cleared" else one.level.word[0]) for one in outcome.signals]
    return [*lines, marks("expected", wanted), marks("got", got)]


def _bar(values: Sequence[float], low: float, high: float) -> str:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return " "
    place = (sum(known) / len(known) - low) / (high - low) if high > low else 0.0
    return _BARS[round(place * (len(_BARS) - 1))]
