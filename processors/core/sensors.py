"""Which slot a sensor has, and what the registry says about the sensor in each slot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from processors.core.arrays import Bools, Floats, Ints, Slots
from processors.core.columns import Columns
from processors.core.expression.evaluate import Value
from processors.core.rule import Rule, Threshold
from processors.core.windows.keys import WindowKey
from schemas.kinds import Kind
from schemas.registry import Sensor, Snapshot

NO_SLOT = -1


class Sensors:
    """Slots of one kind's sensors, and their registry parameters in columns (no state: rebuilt from a snapshot).

    A sensor gets its slot when it is first asked for, in that order. Readings of an exercise have slots of their own
    a run, so that a drill neither feeds nor ends what is watched live.
    """

    def __init__(self, kind: Kind, rules: Sequence[Rule], snapshot: Snapshot) -> None:
        self._kind = kind
        self._rules = rules
        self._slots: dict[tuple[str, str], int] = {}
        self._live: dict[str, int] = {}
        self.keys: list[tuple[str, str]] = []
        self._columns = Columns()
        self._columns.add("registered", np.bool_, False)
        self._columns.add("live", np.bool_, False)
        self._columns.add("period_ms", np.int64, 1)
        self.attributes = sorted({a for rule in rules for a in rule.needs.attributes | rule.needs.optional})
        for name in self.attributes:
            self._columns.add(f"attribute/{name}", np.float64, np.nan)
        for rule in rules:
            self._columns.add(f"applies/{rule.id}", np.bool_, False)
            for threshold in limits_of(rule):
                if threshold.constant is None:
                    self._columns.add(threshold.column, np.float64, np.nan)
        self.snapshot = snapshot

    def __len__(self) -> int:
        return len(self.keys)

    def set_registry(self, snapshot: Snapshot) -> None:
        """Follow another version of the registry."""
        self.snapshot = snapshot
        self._fill(0)

    def slots_of(self, sensor_ids: Sequence[str], run: str) -> Slots:
        """The slot of each sensor (new ones are given to registered sensors of this kind), else `NO_SLOT`.

        `run` is empty for live readings, otherwise the exercise's.
        """
        if run:
            known = [self._slots.get((run, sensor_id), NO_SLOT) for sensor_id in sensor_ids]
        else:
            get = self._live.get
            known = [get(sensor_id, NO_SLOT) for sensor_id in sensor_ids]
        slots = np.array(known, np.intp)
        if NO_SLOT in known:
            self._allocate(sensor_ids, run, slots)
        return np.where(self._columns["registered"][slots], slots, NO_SLOT)

    def _allocate(self, sensor_ids: Sequence[str], run: str, slots: Slots) -> None:
        first = len(self.keys)
        for index in np.flatnonzero(slots == NO_SLOT).tolist():
            sensor_id = sensor_ids[index]
            sensor = self.snapshot.sensors.get(sensor_id)
            if sensor is not None and sensor.kind == self._kind.name:
                slots[index] = self.put(run, sensor_id)
        if len(self.keys) > first:
            self._fill(first)

    def put(self, run: str, sensor_id: str) -> int:
        """A new slot, without its parameters."""
        slot = self._columns.extend(1)
        self._slots[run, sensor_id] = slot
        if not run:
            self._live[sensor_id] = slot
        self.keys.append((run, sensor_id))
        return slot

    def restore(self, keys: Sequence[tuple[str, str]]) -> None:
        """Give slots to these sensors, in this order, as they had them when their state was exported."""
        first = len(self.keys)
        for run, sensor_id in keys:
            self.put(run, sensor_id)
        self._fill(first)

    def sensor(self, slot: int) -> Sensor:
        return self.snapshot.sensors[self.keys[slot][1]]

    def live(self) -> Bools:
        """Of every slot: is it of live readings, not of an exercise? (With room for more slots than are in use.)"""
        return self._columns["live"]

    def registered(self) -> Bools:
        return self._columns["registered"][: len(self.keys)]

    def all(self) -> list[Sensor | None]:
        """The sensor of every slot, None where it is not registered."""
        return [self.snapshot.sensors.get(sensor_id) for _, sensor_id in self.keys]

    def periods_ms(self) -> Ints:
        """Period of every slot."""
        return self._columns["period_ms"][: len(self.keys)]

    def applies(self, rule: Rule) -> Bools:
        """Of every slot: is the rule for this sensor? (With room for more slots than are in use.)"""
        return self._columns[f"applies/{rule.id}"]

    def attribute(self, name: str) -> Floats:
        return self._columns[f"attribute/{name}"]

    def limits(self, threshold: Threshold) -> Floats:
        return self._columns[threshold.column]

    def _fill(self, first: int) -> None:
        """Set the parameters of the slots from `first` on."""
        if first == len(self.keys):
            return
        sensors = [self.snapshot.sensors.get(sensor_id) for _, sensor_id in self.keys[first:]]
        sensors = [s if s is not None and s.kind == self._kind.name else None for s in sensors]
        chosen = slice(first, len(self.keys))
        columns = self._columns
        columns["live"][chosen] = [not run for run, _ in self.keys[first:]]
        columns["registered"][chosen] = [sensor is not None for sensor in sensors]
        columns["period_ms"][chosen] = [self._period_ms(sensor) for sensor in sensors]
        for name in self.attributes:
            columns[f"attribute/{name}"][chosen] = [_number(sensor, name) for sensor in sensors]
        periods = columns["period_ms"][chosen] / 1000.0
        frame = _Parameters({name: self.attribute(name)[chosen] for name in self.attributes}, periods)
        with np.errstate(all="ignore"):
            for rule in self._rules:
                self._fill_rule(rule, chosen, sensors, frame)

    def _fill_rule(self, rule: Rule, chosen: slice, sensors: Sequence[Sensor | None], frame: _Parameters) -> None:
        applies = np.array([sensor is not None and rule.where.matches(sensor) for sensor in sensors], np.bool_)
        for name in rule.needs.attributes:
            applies &= ~np.isnan(frame.attribute(name))
        for threshold in limits_of(rule):
            if threshold.constant is None:
                self._columns[threshold.column][chosen] = threshold.limit(frame)
        if rule.thresholds and not rule.when and all(t.constant is None for t in rule.thresholds):
            # without any of its limits, the rule can never say anything about this sensor
            applies &= np.any([~np.isnan(self.limits(t)[chosen]) for t in rule.thresholds], axis=0)
        self.applies(rule)[chosen] = applies

    def _period_ms(self, sensor: Sensor | None) -> int:
        own = _number(sensor, "period_s")
        return max(1, round((own if own > 0 else self._kind.period_s) * 1000))


def limits_of(rule: Rule) -> tuple[Threshold, ...]:
    """All thresholds of a rule, those of its clear condition included."""
    return rule.thresholds + (rule.clear.thresholds if rule.clear else ())


def _number(sensor: Sensor | None, name: str) -> float:
    value = sensor.attributes.get(name) if sensor is not None else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


class _Parameters:
    """A frame of attributes and periods alone."""

    def __init__(self, columns: Mapping[str, Floats], periods_s: Floats) -> None:
        self._columns = columns
        self._periods_s = periods_s

    def period(self) -> Value:
        return self._periods_s

    def attribute(self, name: str) -> Floats:
        return self._columns[name]

    def field(self, name: str) -> Value:
        raise KeyError(name)

    def window(self, key: WindowKey) -> Value:
        raise KeyError(key)
