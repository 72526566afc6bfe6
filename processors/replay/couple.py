"""Couplings over the signals of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from processors.core.coupling import CouplingEngine, CouplingSet
from schemas.records import Signal
from schemas.registry import Snapshot


def couple(
    couplings: CouplingSet,
    registry: Callable[[int], Snapshot],
    signals: Iterable[tuple[int, Signal]],
    until: int,
) -> list[Signal]:
    """All signals in the order of log time, those of couplings behind what they follow from.

    `signals` come with the log time (ms) of the record that gave them; `until` is the log time of the last record. The
    live signals of several partitions stand in their topic as they happened to come: patterns do not depend on that
    order, but what waits for an absence, and the time of clearing, may differ by so much.
    """
    engine = CouplingEngine(couplings)
    found: list[Signal] = []
    for log_time, signal in sorted(signals, key=lambda entry: entry[0]):
        if signal.registry_version > engine.registry.version:
            engine.set_registry(registry(signal.registry_version))
        found += _follow(engine, engine.progress(log_time), log_time)
        found.append(signal)
        found += _follow(engine, engine.signal(signal, log_time), log_time)
    return found + _follow(engine, engine.progress(until), until)


def _follow(engine: CouplingEngine, given: list[Signal], log_time: int) -> list[Signal]:
    """What couplings gave, and what follows from that in turn: live it comes back through the log of signals."""
    found: list[Signal] = []
    waiting = list(given)
    while waiting:
        signal = waiting.pop(0)
        found.append(signal)
        waiting += engine.signal(signal, log_time)
    return found
