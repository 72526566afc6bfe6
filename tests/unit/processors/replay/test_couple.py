"""Couplings over signals of several partitions."""

from __future__ import annotations

from processors.couplings import load_couplings
from processors.replay.couple import couple
from processors.ruleset import load_rules
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import Snapshot
from tests.unit.processors.replay.bench import KINDS, START

COUPLINGS = load_couplings(None, load_rules(None, KINDS))
MINUTE = 60_000


def raised(rule: str, minute: int, level: Level = Level.YELLOW, grid: str = "g1") -> tuple[int, Signal]:
    """A signal, and the log time of its record: half a minute later."""
    at = START + minute * MINUTE
    kind = "gas_concentration" if rule.startswith("gas") else "water_level"
    return at + 30_000, Signal(
        f"{rule}/{minute}", rule, 1, 1, kind, f"s-{rule}", f"c/d/s/m/{grid}", "", "raised", level, Level.NONE, at, at, 1,
        f"alert-{rule}", 1.0, "{}", "live", 0, minute, 0,
    )  # fmt: skip


def names(signals: list[Signal]) -> list[str]:
    return [one.rule_id for one in signals]


def test_signals_of_other_partitions_are_put_in_the_order_of_log_time() -> None:
    known = {1: Snapshot(1, {}, {})}
    water, gas = raised("flood.manhole.level", 0), raised("gas.methane.high", 5)
    wanted = ["flood.manhole.level", "gas.methane.high", "coupled.gas-in-chamber"]
    for given in ([water, gas], [gas, water]):
        found = couple(COUPLINGS, lambda version: known[version], given, START + 10 * MINUTE)
        assert names(found) == wanted
    coupled = found[-1]
    assert (coupled.type, coupled.level, coupled.at) == ("coupling", Level.ORANGE, START + 5 * MINUTE)
    assert set(coupled.contributing) == {"alert-flood.manhole.level", "alert-gas.methane.high"}


def test_what_lies_apart_is_not_coupled() -> None:
    apart = [raised("flood.manhole.level", 0), raised("gas.methane.high", 5, grid="g9")]
    assert len(couple(COUPLINGS, lambda version: Snapshot(version, {}, {}), apart, START + 10 * MINUTE)) == 2
