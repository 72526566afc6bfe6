"""Timelines of one sensor: readings in the order of their time, and what a function or a rule says at each.

The author writes rows, a column for each reading in the order of time: `day` (from 1 on) and `time` (`10s`, `08:30`); a
row for each field (`_`: the reading lacks it, or, if every reading has the field, did not come; `tick`: only log time
passes); perhaps `read`, in which order the readings come (`5late`: marked late by the gateway; `-`: it does not come),
and `mode` of the zone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import yaml

from processors.core.aggregates import AGGREGATES, Need
from processors.core.cases import START
from processors.core.compile import compile_rule
from processors.core.definition import RuleFile
from processors.core.durations import duration_ms, duration_text
from processors.core.engine import Engine
from processors.core.expression.functions import FORECAST
from processors.core.frame import Rows
from processors.core.rule import Rule
from processors.core.rules import RuleSet
from processors.core.windows.buckets import MOST_BUCKETS, bucket_count
from schemas.batch import Batch, Mode
from schemas.kinds import Kind, load_kinds
from schemas.records import Signal
from schemas.registry import Sensor, Snapshot
from schemas.rule_versions import Modes, ZoneMode

KINDS = load_kinds()
_ZONE = "city/district/street/community/grid"
_HEAD = re.compile(r"(?P<what>.+?) {2,}(?P<kind>\w+), a reading every (?P<every>\S+?)(?:, (?P<attributes>attr\..+))?$")
_WINDOW = re.compile(r"(\w+)\([^()]*?, (\d+(?:ms|s|m|h))(?:, [^()]*)?\)")
_GIVEN = ("day", "time", "read", "mode")


@dataclass
class Column:
    """One reading (or none, or a tick) of a timeline."""

    at: int
    values: dict[str, float]
    comes: bool
    tick: bool = False
    order: int = 0
    late: bool = False
    mode: str = ""
    newest: int = 0  # the sensor's newest time once this one is read
    drawn: dict[str, str] = field(default_factory=dict)


class _Watched(Engine):
    """An engine that keeps the number of its one rule at the reading that was judged last."""

    number = math.nan

    def _judge(self, frame: Rows, offset: int, found: list[tuple[int, int, Signal]]) -> None:
        rule = self.rules[0]
        self.number = float(np.ravel(rule.value(frame))[0]) if rule.value else math.nan
        super()._judge(frame, offset, found)


def draw_sensor(block: str, examples: Sequence[str]) -> str:
    """The block drawn anew; `examples` are the page's, among which the rule is."""
    head, *rest = block.splitlines()
    found = _HEAD.fullmatch(head)
    assert found, f"{head!r} is not the first line of a timeline"
    kind, every = KINDS[found["kind"]], duration_ms(found["every"])
    attributes = {
        name.strip().removeprefix("attr."): float(value)
        for name, _, value in (part.partition("=") for part in (found["attributes"] or "").split(", ") if part)
    }
    given = _given_rows(rest, kind)
    columns = _columns(given, kind)
    by_rule = found["what"].startswith("rule ")
    rule = _page_rule(examples, found["what"].removeprefix("rule ")) if by_rule else _number_rule(found["what"], kind)
    _play(columns, rule, kind, every, attributes)
    names = list(given)
    if by_rule:
        names += [] if rule.value_text in kind.field_names or not (rule.value or rule.silent) else ["value"]
        names += ["level", "signal"]
    window = None if by_rule else _sliding(found["what"])
    lines = [head, ""]
    if window:
        lines += _windows(columns, given, names, window[0], duration_ms(window[2]), every)
    else:
        names += [] if by_rule else ["value"]
        lines += _table(columns, given, names)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _sliding(expression: str) -> re.Match[str] | None:
    """The first call of a function of a window that slides, with its name and length."""
    return next(
        (call for call in _WINDOW.finditer(expression) if call[1] == FORECAST or AGGREGATES[call[1]].needs), None
    )


def _given_rows(lines: Sequence[str], kind: Kind) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in lines:
        name, *cells = line.split() or [""]
        if name in (*_GIVEN, *kind.field_names) and name not in rows:
            rows[name] = cells
    assert len({len(cells) for cells in rows.values()}) == 1, f"rows of different lengths: {rows}"
    return rows


def _columns(given: dict[str, list[str]], kind: Kind) -> list[Column]:
    columns = []
    for number, text in enumerate(given["time"]):
        day = int(given["day"][number]) - 1 if "day" in given else 0
        clock = re.fullmatch(r"(\d\d):(\d\d)", text)
        at = duration_ms(f"{clock[1]}h{clock[2]}m") if clock else duration_ms(text)
        cells = {name: given[name][number] for name in kind.field_names if name in given}
        tick = "tick" in cells.values()
        values = {name: math.nan if cell in ("_", "tick") else float(cell) for name, cell in cells.items()}
        comes = not tick and all(f.optional or not math.isnan(values.get(f.name, math.nan)) for f in kind.fields)
        order = re.fullmatch(r"(\d+)(late)?|-", given["read"][number] if "read" in given else str(number + 1))
        assert order, f"{given['read'][number]!r} is not a place in the order"
        assert comes or tick or order[1] is None or "read" not in given, "`read` of a reading that did not come is `-`"
        comes = comes and order[1] is not None
        columns.append(
            Column(
                START + day * 86_400_000 + at, values, comes, tick, int(order[1] or 0), order[2] is not None,
                given["mode"][number] if "mode" in given else "",
            )
        )  # fmt: skip
    return columns


def _number_rule(expression: str, kind: Kind) -> Rule:
    """A rule that is judged wherever the expression is."""
    return _compiled([{"id": "doc.number", "kind": kind.name, "value": expression, "above": {"blue": 1e300}}])[0]


def _page_rule(examples: Sequence[str], rule_id: str) -> Rule:
    rules = [rule for text in examples if "rules:" in text for rule in _compiled(yaml.safe_load(text)["rules"])]
    return next(rule for rule in rules if rule.id == rule_id)


def _compiled(entries: list[dict[str, object]]) -> list[Rule]:
    common = {"departments": ["gas"], "source": "a drawing", "confidence": "low"}
    file = RuleFile.model_validate({"standard": "doc", "version": 1, "rules": [common | entry for entry in entries]})
    return [compile_rule(rule, file, KINDS, order, "page", 1) for order, rule in enumerate(file.rules)]


def _play(columns: list[Column], rule: Rule, kind: Kind, every: int, attributes: dict[str, float]) -> None:
    """Let the engine read the columns in their order, and note what it says at each."""
    profile = min(rule.where.profiles, default="")
    sensor = Sensor(
        "s", kind.name, "s", _ZONE, "", profile=profile, attributes={"period_s": every / 1000, **attributes}
    )
    engine = _Watched(kind, RuleSet((rule,)), Snapshot(1, {"s": sensor}, {}), partition=0)
    level, heard, newest, mode = "-", 0, 0, ""
    there = sorted((c for c in columns if c.comes or c.tick), key=lambda c: c.order)
    for offset, column in enumerate(there, 1):
        log_time = column.at if rule.silent else START
        if column.mode != mode:
            zones = (ZoneMode(_ZONE, column.mode, 2**60),)
            mode = column.mode
            engine.set_modes(Modes(offset, "", "", 0, zones if mode == "emergency" else ()), offset, log_time)
        engine.number = math.nan
        found = engine.tick(offset, log_time) if column.tick else engine.process(_batch(column, kind), offset, log_time)
        if rule.silent:
            engine.number = (log_time - heard) / 1000 if heard else 0.0
        heard = heard if column.tick else log_time
        newest = newest if column.tick or column.late else max(newest, column.at)
        column.newest = newest
        for one in found:
            level = one.level.word if one.transition != "cleared" else "-"
        column.drawn = {
            "value": "not judged" if column.late else _text(engine.number),
            "level": level,
            "signal": ", ".join(one.transition for one in found) or ".",
        }


def state_bytes(block: str) -> int:
    """Bytes a sensor that the expression of a timeline keeps; its window is made one of 60 buckets."""
    head = _HEAD.fullmatch(block.splitlines()[0])
    assert head
    kind, every, expression = KINDS[head["kind"]], duration_ms(head["every"]), head["what"]
    if window := _sliding(expression):
        expression = expression.replace(window[2], duration_text(MOST_BUCKETS * every))

    def size(expression: str) -> int:
        column = Column(START, {f.name: 1.0 for f in kind.fields}, True)
        sensor = Sensor("s", kind.name, "s", _ZONE, "", attributes={"period_s": every / 1000})
        engine = Engine(kind, RuleSet((_number_rule(expression, kind),)), Snapshot(1, {"s": sensor}, {}), 0)
        engine.process(_batch(column, kind), 0, START)
        return sum(column.nbytes for column in engine.export().columns.values())

    return size(expression) - size(f"1 * {kind.field_names[0]}")


def _batch(column: Column, kind: Kind) -> Batch:
    values = {f.name: np.array([column.values.get(f.name, math.nan)]) for f in kind.fields}
    return Batch(
        kind.name, "docs", "docs", Mode.LIVE, "", START, ["s"], np.zeros(1, np.int32),
        np.array([column.at], np.int64), np.array([column.late]), values,
    )  # fmt: skip


def _text(number: float) -> str:
    return "-" if math.isnan(number) else f"{round(number, 4) + 0.0:.7g}"


def _cell(column: Column, given: dict[str, list[str]], number: int, name: str) -> str:
    return given[name][number] if name in given else column.drawn.get(name, "")


def _table(columns: list[Column], given: dict[str, list[str]], names: Sequence[str]) -> list[str]:
    label, widths = _widths(columns, given, names)
    numbered = list(enumerate(zip(columns, widths, strict=True)))
    return [
        name.ljust(label) + "".join(_cell(column, given, i, name).ljust(width) for i, (column, width) in numbered)
        for name in names
    ]


def _widths(columns: list[Column], given: dict[str, list[str]], names: Sequence[str]) -> tuple[int, list[int]]:
    label = max(len(name) for name in (*names, "after 10")) + 3
    longest = [max(len(_cell(c, given, i, name)) for name in names) + 2 for i, c in enumerate(columns)]
    if "signal" not in names:
        longest = [max(longest)] * len(longest)
    return label, longest


def _windows(
    columns: list[Column], given: dict[str, list[str]], names: Sequence[str], call: str, length: int, every: int
) -> list[str]:
    """The rows, and beneath them, for each reading as it is read, the window: `=` where it has one, `.` where not."""
    field_names = [name for name in names if re.search(rf"\b{name}\b", call)]
    function = call.partition("(")[0]
    looks_back = 1 if function in AGGREGATES and Need.OLDEST in AGGREGATES[function].needs else 0
    label, widths = _widths(columns, given, names)
    lines = _table(columns, given, names)
    lines.append(" " * (label + sum(widths) + 2) + "value")
    count = bucket_count(length, every)
    read: set[int] = set()
    for number, column in sorted(enumerate(columns), key=lambda pair: pair[1].order):
        if not column.comes:
            continue
        if not column.late:
            read.add(number)
        last = column.newest * count // length
        inside = [last - count - looks_back < c.at * count // length <= last for c in columns]
        cells = []
        for i, (is_in, width) in enumerate(zip(inside, widths, strict=True)):
            has = i in read and not all(math.isnan(columns[i].values[name]) for name in field_names)
            cells.append((("=" if has else ".") if is_in else " ") * width)
        bar = list("".join(cells))
        covered = [i for i, mark in enumerate(bar) if mark != " "]
        bar[covered[0]], bar[covered[-1]] = "[", "]"
        name = f"after {column.order}" if "read" in given else f"at {given['time'][number]}"
        lines.append(name.ljust(label) + "".join(bar) + "  " + column.drawn["value"])
    return lines
