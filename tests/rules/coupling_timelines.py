"""Timelines of couplings: a story of the page as bars, and the coupled alerts that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import yaml

from processors.core.cases import START
from processors.core.coupling import CouplingSet
from processors.core.coupling.cases import ZONE, CouplingCase, CouplingCaseFile, run_coupling_case
from processors.core.coupling.definition import CouplingFile
from processors.core.durations import duration_ms, duration_text
from processors.couplings import load_couplings
from processors.ruleset import load_rules
from schemas.kinds import load_kinds
from schemas.records import Signal

_STEPS = [duration_ms(text) for text in ("15s", "30s", "1m", "2m", "5m", "10m", "20m", "30m", "1h", "2h")]
_WIDTH = 60


def page_couplings(examples: Sequence[str], folder: Path) -> CouplingSet:
    """The couplings of a page's examples, which are written as files into the folder."""
    for number, text in enumerate(examples):
        (folder / str(number)).mkdir(exist_ok=True)
        name = "couplings.test.yaml" if text.startswith("tests:") else "couplings.yaml"
        (folder / str(number) / name).write_text(text, encoding="utf-8")
    return load_couplings(sorted(folder.iterdir()), load_rules(None, load_kinds()))


def draw_coupling(block: str, examples: Sequence[str]) -> str:
    """The block drawn anew; its first line names the story, which is among the page's examples."""
    head = block.splitlines()[0]
    name = head.removeprefix("coupling ").partition(": ")[2].partition("   ")[0]
    texts = [yaml.safe_load(text) for text in examples]
    stories = [c for t in texts if "tests" in t for c in CouplingCaseFile.model_validate(t).tests]
    case = next(case for case in stories if case.name == name)
    definitions = [c for t in texts if "couplings" in t for c in CouplingFile.model_validate(t).couplings]
    within = next(one.within for one in definitions if one.id == case.coupling)
    with TemporaryDirectory() as folder:
        signals = run_coupling_case(case, page_couplings(examples, Path(folder))).signals
    rows = [*_stories(case, within), *_raised(case.coupling, signals)]
    times = [at for _, marks, _ in rows for at, _ in marks]
    step = next((s for s in _STEPS if max(times) / s < _WIDTH - 4), _STEPS[-1])
    label = max(len(row[0]) for row in rows) + 3
    width = max(times) // step + 4
    scale = [duration_text(n * 10 * step).ljust(10) for n in range(width // 10 + 1)]
    lines = [f"coupling {case.coupling}: {case.name}   (a character is {duration_text(step)})", ""]
    lines.append("time".ljust(label) + "".join(scale))
    lines += [name.ljust(label) + _bar(marks, step, width).ljust(width + 2) + note for name, marks, note in rows]
    return "\n".join(line.rstrip() for line in lines) + "\n"


Marks: TypeAlias = list[tuple[int, str]]
"""From each time on, what stands there: a level's letter, `~` (it counts still), `|` or `)` (it is over)."""


def _stories(case: CouplingCase, within: int) -> Iterator[tuple[str, Marks, str]]:
    for one in case.signals:
        notes = [one.asset_id] if one.asset_id else []
        if one.zone != ZONE:
            notes.append(one.zone)
        if one.position:
            notes.append("{:g} m east, {:g} m north".format(*one.position))
        if one.arrives_at is not None:
            notes.append(f"comes at {duration_text(one.arrives_at)}")
        marks = [(one.at, one.level[0]), *((step.at, step.level[0]) for step in one.then)]
        if one.event:
            marks += [(one.until, "|")] if one.until is not None else []
        elif one.cleared_at is not None:
            marks += [(one.cleared_at, "~"), (one.cleared_at + within, ")")] if within else [(one.cleared_at, "|")]
        yield str(one.rule or f"event {one.event}"), marks, ", ".join(notes)


def _raised(name: str, signals: Sequence[Signal]) -> Iterator[tuple[str, Marks, str]]:
    alerts: dict[str, Marks] = {}
    notes: dict[str, list[str]] = {}
    for one in signals:
        mark = "|" if one.transition == "cleared" else one.level.word[0]
        at = one.at - START
        if one.transition != "joined":
            alerts.setdefault(one.alert_id, []).append((at, mark))
        word = one.level.word if one.transition in ("raised", "changed") else one.transition
        notes.setdefault(one.alert_id, []).append(f"{duration_text(at)} {word}")
    for alert_id, marks in alerts.items():
        yield name, marks, ", ".join(notes[alert_id])
    if not alerts:
        yield name, [(0, " ")], "nothing"


def _bar(marks: Marks, step: int, width: int) -> str:
    cells = [" "] * width
    for number, (at, mark) in enumerate(marks):
        end = width if number + 1 == len(marks) else marks[number + 1][0] // step
        place = at // step
        if mark in ")|":
            cells[min(place, width - 1)] = mark
        else:
            cells[place:end] = [mark] * len(cells[place:end])
    if marks[0][1].strip():
        cells[marks[0][0] // step] = cells[marks[0][0] // step].upper()
    return "".join(cells)[:width]
