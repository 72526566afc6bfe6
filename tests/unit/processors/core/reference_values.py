"""What an expression of a rule is at one reading, in the plainest way: worked out anew from all that was read."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from processors.core.durations import duration_ms
from processors.core.expression import nodes
from processors.core.expression import parse as parser
from processors.core.levels import Track
from processors.core.local_time import parse_hours
from processors.core.windows.keys import WindowKey
from schemas.kinds import Kind
from schemas.registry import Sensor

NAN = math.nan
parse = lru_cache(parser.parse)
Reading = tuple[int, dict[str, float], int, bool]
"""Time, values, newest time when it had come, and whether it was the newest."""


State = tuple[int | str, str, str]
"""What a window keeps: its length (0 for all), hours or `each …`, field, and which of PARTS (or EACH)."""

PARTS = {
    "mean": ["totals"], "sum": ["totals"], "count": ["totals"], "median": ["totals"], "quantile": ["totals"], "std": ["spread"],
    "min": ["min"], "max": ["max"],
    "range": ["min", "max"], "last": ["newest"], "trend": ["line"],
    "fitted": ["line"], "change": ["oldest", "newest"], "rate": ["oldest", "newest"],
}  # fmt: skip
EACH = {
    **PARTS, "median": ["means"], "quantile": ["means"], "last": ["newest"], "change": ["oldest", "newest"],
}  # fmt: skip


@dataclass
class SensorState:
    """Everything about one sensor, and for each rule its track and number of signals."""

    newest: int | None = None
    readings: list[Reading] = field(default_factory=list)
    recent: deque[int] = field(default_factory=deque)
    forgotten: int | None = None
    kept_from: dict[State, int] = field(default_factory=dict)  # by window state: readings before were forgotten
    buckets: dict[int | str, int] = field(default_factory=dict)  # by window: its n
    heard: int = 0
    nights: dict[str, dict[int, int]] = field(default_factory=dict)  # by rule: height of each night
    at_work: dict[int, set[WindowKey]] = field(default_factory=dict)  # by reading: windows of rules that are not idle
    silences: dict[str, tuple[int, int]] = field(default_factory=dict)  # by rule: level and onset
    tracks: dict[str, Track] = field(default_factory=dict)
    sequences: Counter[str] = field(default_factory=Counter)


def length_of(window: int | str) -> int:
    """Of windows that are cut into buckets."""
    return window if isinstance(window, int) else int(window[5:]) if window.startswith("each ") else 0


def is_cut(key: State) -> bool:
    """Does what it keeps depend on the buckets that the window is cut into?"""
    return length_of(key[0]) > 0 and (isinstance(key[0], int) or key[2] == "means")


def compare(comparison: str, value: float, limit: float) -> bool:
    return {
        "above": value > limit,
        "below": value < limit,
        "above_or_equal": value >= limit,
        "below_or_equal": value <= limit,
    }[comparison]


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return NAN
    return math.copysign(math.inf, a) * math.copysign(1, b)


def deviation(steps: list[int]) -> float:
    """Of a sample, in whole numbers as far as they go."""
    if len(steps) < 2:
        return NAN
    number, centre = float(len(steps)), round(float(sum(steps)) / float(len(steps)))
    rest = sum(steps) - len(steps) * centre
    distances = float(sum((step - centre) ** 2 for step in steps)) - float(rest * rest) / number
    return math.sqrt(distances / (number - 1))


def quantile(buckets: list[list[int]], q: float) -> float:
    """Of the means of the buckets, a straight line between two of them."""
    means = sorted(float(sum(steps)) / float(len(steps)) for steps in buckets)
    place = q * (len(means) - 1)
    low = math.floor(place)
    share = place - low
    return means[low] + share * (means[low + 1] - means[low]) if share else means[low]


@lru_cache(maxsize=100_000)
def instant(zone: ZoneInfo, night: int, minute: int) -> int:
    """When the local day of that number is so many minutes old by its clocks."""
    day = date(1970, 1, 1) + timedelta(days=night + minute // 1440)
    return round(datetime.combine(day, clock(minute % 1440 // 60, minute % 60), zone).timestamp() * 1000)


class Evaluation:
    """An expression at one reading of one sensor."""

    def __init__(
        self, kind: Kind, zone: ZoneInfo, sensor: Sensor, state: SensorState, values: dict[str, float]
    ) -> None:
        self._kind = kind
        self._zone = zone
        self._sensor = sensor
        self._state = state
        self._values = values

    def attribute(self, name: str) -> float:
        value = self._sensor.attributes.get(name)
        return float(value) if isinstance(value, int | float) else NAN

    def number(self, node: nodes.Node) -> float:
        match node:
            case nodes.Number():
                return node.value
            case nodes.Name():
                return self._values[node.name]
            case nodes.Attribute():
                return self.attribute(node.name)
            case nodes.Minus():
                return -self.number(node.operand)
            case nodes.Arithmetic():
                a, b = self.number(node.left), self.number(node.right)
                return {"+": a + b, "-": a - b, "*": a * b, "/": divide(a, b)}[node.sign]
            case nodes.Duration(text=text):
                period = float(self._sensor.attributes.get("period_s", self._kind.period_s))
                return int(text.split()[0]) * period if "period" in text else duration_ms(text) / 1000
            case nodes.Call(function="max", arguments=(nodes.Duration(), *_)):
                return max(self.number(a) for a in node.arguments)
            case nodes.Call(
                function="forecast", arguments=(series, nodes.Duration(text=length), nodes.Named(value=until))
            ):
                factor, field_node = 1.0, series
                if isinstance(series, nodes.Arithmetic):
                    factor, field_node = self.number(series.left), series.right
                assert isinstance(field_node, nodes.Name)
                name = field_node.name
                level, slope = (self.window(f, name, duration_ms(length)) for f in ("fitted", "trend"))
                ahead = divide(self.number(until) / factor - level, slope)
                return ahead if ahead >= 0 else NAN
            case nodes.Call(function="abs"):
                return abs(self.number(node.arguments[0]))
            case nodes.Call(function="least" | "greatest"):
                numbers = [self.number(a) for a in node.arguments]
                if any(math.isnan(n) for n in numbers):
                    return NAN
                return min(numbers) if node.function == "least" else max(numbers)
            case nodes.Call(function="or_else"):
                first = self.number(node.arguments[0])
                return self.number(node.arguments[1]) if math.isnan(first) else first
            case nodes.Call(function="if"):
                truth = self.condition(node.arguments[0])
                return NAN if truth is None else self.number(node.arguments[1 if truth else 2])
            case nodes.Call(function="usual_level", arguments=(nodes.Name(name=name), nodes.Duration(text=length))):
                return self.usual_level(name, duration_ms(length))
            case nodes.Call(
                function="same_hour_median", arguments=(nodes.Name(name=name), nodes.Duration(text=length))
            ):
                return self.baseline(node.function, name, duration_ms(length) // 86_400_000, "")
            case nodes.Call(
                arguments=(nodes.Name(name=name), nodes.Call(arguments=(nodes.Duration(text=length),)), *rest)
            ):
                q = rest[0].value if rest and isinstance(rest[0], nodes.Number) else 0.5
                return self.each(node.function, name, duration_ms(length), q)
            case nodes.Call(
                arguments=(
                    nodes.Name(name=name), nodes.Call(arguments=(nodes.Text(text=hours),)), nodes.Duration(text=length)
                )
            ):  # fmt: skip
                return self.baseline(node.function, name, duration_ms(length) // 86_400_000, hours)
            case nodes.Call(arguments=(nodes.Name(name=name), nodes.Duration(text=length))):
                return self.window(node.function, name, duration_ms(length))
            case nodes.Call(arguments=(nodes.Name(name=name), nodes.Duration(text=length), nodes.Number(value=q))):
                return self.window(node.function, name, duration_ms(length), q)
            case nodes.Call(arguments=(nodes.Name(name=name), nodes.Call(arguments=(nodes.Text(text=hours),)))):
                return self.in_hours(node.function, name, hours)
            case nodes.Call(function="unchanged", arguments=(nodes.Name(name=name),)):
                return self.unchanged(name)
        raise TypeError(node)

    def condition(self, node: nodes.Node) -> bool | None:
        """None: not known."""
        match node:
            case nodes.Comparison():
                a, b = self.number(node.left), self.number(node.right)
                if math.isnan(a) or math.isnan(b):
                    return None
                return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[node.sign]
            case nodes.Not():
                truth = self.condition(node.operand)
                return None if truth is None else not truth
            case nodes.AllOf():
                parts = [self.condition(p) for p in node.parts]
                return False if False in parts else None if None in parts else True
            case nodes.AnyOf():
                parts = [self.condition(p) for p in node.parts]
                return True if True in parts else None if None in parts else False
            case nodes.Call(arguments=(nodes.Attribute(name=name),)):
                return not math.isnan(self.attribute(name))
        raise TypeError(node)

    def _steps(self, name: str, kept: State) -> list[tuple[Reading, int]]:
        per_unit = float(round(1 / self._kind.field(name).resolution))
        first = self._state.kept_from.get(kept, len(self._state.readings))
        chosen = [r for r in self._state.readings[first:] if not math.isnan(r[1][name])]
        return [(r, round(r[1][name] * per_unit)) for r in chosen]

    def _instant(self, night: int, minute: int) -> int:
        return instant(self._zone, night, minute)

    def night(self, hours: str, at: int) -> int:
        start, _ = parse_hours(hours)
        night = at // 86_400_000 + 2
        while self._instant(night, start) > at:
            night -= 1
        return night

    def inside(self, hours: str, at: int) -> bool:
        return at < self._instant(self.night(hours, at), parse_hours(hours)[1])

    def night_is_complete(self, hours: str) -> bool:
        newest = self._state.newest or 0
        period = round(1000 * float(self._sensor.attributes.get("period_s", self._kind.period_s)))
        return newest + period >= self._instant(self.night(hours, newest), parse_hours(hours)[1])

    def in_hours(self, function: str, name: str, hours: str) -> float:
        if not self.night_is_complete(hours):
            return NAN
        per_unit = float(round(1 / self._kind.field(name).resolution))
        now = self.night(hours, self._state.newest or 0)

        def inside(part: str) -> list[int]:
            found = self._steps(name, (f"hours {hours}", name, part))
            return [s for r, s in found if self.night(hours, r[0]) == now and self.inside(hours, r[0])]

        if function == "count":
            return float(len(inside("totals")))
        lists = [inside(part) for part in PARTS[function]]
        if not all(lists):
            return NAN
        steps = lists[0]
        return {
            "min": min(steps) / per_unit,
            "max": max(lists[-1]) / per_unit,
            "range": (max(lists[-1]) - min(steps)) / per_unit,
            "sum": sum(steps) / per_unit,
            "mean": float(sum(steps)) / (float(len(steps)) * per_unit),
            "std": deviation(steps) / per_unit,
        }[function]

    def each(self, function: str, name: str, length: int, q: float) -> float:
        """Of the readings that came into the window before the newest while it was the newest."""
        per_unit = float(round(1 / self._kind.field(name).resolution))
        now = self._number(length, self._state.newest or 0)
        found: list[list[tuple[int, int]]] = []
        for part in EACH[function]:
            key = (f"each {length}", name, part)
            first = self._state.kept_from.get(key, len(self._state.readings))
            if first == len(self._state.readings) or self._number(length, self._state.readings[first][2]) == now:
                return NAN
            inside = [
                (r[0], s)
                for r, s in self._steps(name, key)
                if self._number(length, r[0]) == self._number(length, r[2]) == now - 1
            ]
            found.append(sorted(inside))
        steps = [step for _, step in found[0]]
        if function == "count":
            return float(len(steps))
        if not all(found):
            return NAN
        match function:
            case "mean":
                return float(sum(steps)) / (float(len(steps)) * per_unit)
            case "sum":
                return sum(steps) / per_unit
            case "std":
                return deviation(steps) / per_unit
            case "min" | "max":
                return (min if function == "min" else max)(steps) / per_unit
            case "range":
                return (max(step for _, step in found[1]) - min(steps)) / per_unit
            case "last":
                return steps[-1] / per_unit
            case "median" | "quantile":
                count = self._state.buckets[f"each {length}"]
                start = self._start(length, now - 1)
                buckets: dict[int, list[int]] = {}
                for time, step in found[0]:
                    buckets.setdefault(min(count - 1, (time - start) * count // length), []).append(step)
                return quantile(list(buckets.values()), q) / per_unit
        (first_time, first_step), (last_time, last_step) = found[0][0], found[1][-1]
        if last_time <= first_time:
            return NAN
        change = (last_step - first_step) / per_unit
        return change if function == "change" else change / ((last_time - first_time) / 1000.0)

    def _number(self, length: int, at: int) -> int:
        """Of the window each(length) that a time is in."""
        days, rest = divmod(length, 86_400_000)
        if rest:
            return (at + self._standard_offset()) // length
        return (datetime.fromtimestamp(at / 1000, self._zone).toordinal() - date(1969, 12, 29).toordinal()) // days

    def _start(self, length: int, number: int) -> int:
        days, rest = divmod(length, 86_400_000)
        return number * length - self._standard_offset() if rest else self._instant(number * days - 3, 0)

    def baseline(self, function: str, name: str, days: int, hours: str) -> float:
        per_unit = float(round(1 / self._kind.field(name).resolution))

        def unit(at: int) -> int:
            return self.night(hours, at) if hours else (at + self._standard_offset()) // 3_600_000

        units: dict[int, list[int]] = {}
        for reading, value in self._steps(name, (f"{days} {hours}", name, function)):
            if unit(reading[0]) == unit(reading[2]) and (not hours or self.inside(hours, reading[0])):
                units.setdefault(unit(reading[0]), []).append(value)
        now = unit(self._state.newest or 0)
        known = []
        for back in range(1, days + 1):
            steps = units.get(now - back * (1 if hours else 24))
            if steps:
                known.append(float(np.float32(min(steps) if hours else sum(steps) / len(steps))))
        if 2 * len(known) < days:
            return NAN
        known.sort()
        middle = len(known) // 2
        return (known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2) / per_unit

    def usual_level(self, name: str, length: int) -> float:
        """The sensor's whole story anew: hours that end, and whether a rule is at work as they do."""
        per_unit = float(round(1 / self._kind.field(name).resolution))
        first = self._state.kept_from.get((f"{length} ", name, "usual_level"), len(self._state.readings))
        hour: int | None = None
        steps: list[int] = []
        counted: list[float] = []
        waiting = level = NAN
        for number, (time, values, newest, _) in enumerate(self._state.readings[first:], first):
            now = (newest + self._standard_offset()) // 3_600_000
            if hour is not None and now != hour:
                mean = float(np.float32(sum(steps) / len(steps))) if steps else NAN
                steps = []
                if WindowKey("usual_level", name, length) in self._state.at_work[number] and not math.isnan(level):
                    waiting = NAN
                else:
                    counted += [] if math.isnan(waiting) else [waiting]
                    waiting = mean
                    if (now - hour) * 3_600_000 > length:
                        counted, waiting = [], NAN
                    level = NAN
                    last = sorted(counted[-length // 3_600_000 :])
                    if 2 * len(last) * 3_600_000 >= length:
                        middle = len(last) // 2
                        level = last[middle] if len(last) % 2 else (last[middle - 1] + last[middle]) / 2
            hour = now
            if not math.isnan(values[name]) and (time + self._standard_offset()) // 3_600_000 == now:
                steps.append(round(values[name] * per_unit))
        return level / per_unit

    def _standard_offset(self) -> int:
        offsets = [datetime(2020, month, 1, tzinfo=self._zone).utcoffset() for month in (1, 7)]
        return min(round(offset.total_seconds() * 1000) for offset in offsets if offset is not None)

    def unchanged(self, name: str) -> float:
        since = None
        last = None
        for (time, _, _, newer), value in self._steps(name, ("0 ", name, "unchanged")):
            if newer:
                since, last = (since if value == last else time), value
        return NAN if since is None else ((self._state.newest or 0) - since) / 1000

    def window(self, function: str, name: str, length: int, q: float = 0.5) -> float:
        """Everything from the raw readings; sums in whole steps of the resolution (which is 1/whole here)."""
        state = self._state
        per_unit = float(round(1 / self._kind.field(name).resolution))
        count = state.buckets[length]
        assert state.newest is not None
        newest = state.newest * count // length

        def kept(part: str) -> dict[int, list[tuple[int, int]]]:
            buckets: dict[int, list[tuple[int, int]]] = {}
            # the newest value is kept beside the windows and outlives their being cut anew
            first = state.kept_from.get((0 if part == "newest" else length, name, part), len(state.readings))
            for time, values, _, _ in state.readings[first:]:
                if not math.isnan(values[name]):
                    buckets.setdefault(time * count // length, []).append((time, round(values[name] * per_unit)))
            return buckets

        def inside(part: str) -> list[int]:
            return [s for b, readings in kept(part).items() if newest - count < b <= newest for _, s in readings]

        everything = [reading for readings in kept("newest").values() for reading in readings]
        all_buckets = {b: readings for b, readings in kept("oldest").items() if newest - count <= b <= newest}
        buckets = {b: readings for b, readings in kept("totals").items() if newest - count < b <= newest}
        steps = inside("totals")
        lowest, highest = min(inside("min"), default=None), max(inside("max"), default=None)
        last = max(everything, default=None)
        if last is not None and last[0] * count // length <= newest - count:
            last = None
        if function in ("trend", "fitted"):
            return self._line(function, [r for found in kept("line").values() for r in found], length, count, per_unit)
        match function:
            case "count":
                return float(len(steps))
            case "last":
                return last[1] / per_unit if last else NAN
            case "change" | "rate":
                oldest = min((reading for readings in all_buckets.values() for reading in readings), default=None)
                if oldest is None or last is None or last[0] <= oldest[0]:
                    return NAN
                change = (last[1] - oldest[1]) / per_unit
                return change if function == "change" else change / ((last[0] - oldest[0]) / 1000.0)
        match function:
            case "std":
                return deviation(inside("spread")) / per_unit
            case "min":
                return NAN if lowest is None else lowest / per_unit
            case "max":
                return NAN if highest is None else highest / per_unit
            case "range":
                return NAN if lowest is None or highest is None else (highest - lowest) / per_unit
        if not steps:
            return NAN
        match function:
            case "mean":
                return float(sum(steps)) / (float(len(steps)) * per_unit)
            case "sum":
                return sum(steps) / per_unit
            case "median" | "quantile":
                return quantile([[s for _, s in readings] for readings in buckets.values()], q) / per_unit
        raise ValueError(function)

    def _line(self, function: str, readings: list[tuple[int, int]], length: int, count: int, per_unit: float) -> float:
        """Least squares in whole numbers as far as they go; times from the newest in units of a millionth."""
        newest, unit = self._state.newest or 0, max(1, length // 1_000_000)
        inside = [r for r in readings if newest * count // length - count < r[0] * count // length]
        pairs = [(time // unit - newest // unit, step) for time, step in inside]
        number, t, x = float(len(pairs)), float(sum(t for t, _ in pairs)), float(sum(x for _, x in pairs))
        tt, tx = float(sum(t * t for t, _ in pairs)), float(sum(t * x for t, x in pairs))
        spread = number * tt - t * t
        if not spread > 0:
            return NAN
        slope = (number * tx - t * x) / spread
        return slope * (1000.0 / unit) / per_unit if function == "trend" else (x - slope * t) / number / per_unit
