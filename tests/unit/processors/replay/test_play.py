"""The log through the engines, changed readings, and what comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from processors.core.engine import Engine
from processors.core.standard import Standard
from processors.replay.outcome import by_rule_and_level
from processors.replay.play import InForce, MissingVersionError, Player, Standards, changed, scaled
from processors.replay.run import judge
from processors.replay.tables import FileLog
from processors.standard_files import load_standard
from schemas.departments import load_departments
from schemas.levels import Level
from schemas.log import LogRecord
from schemas.rule_versions import NO_MODES, RuleFiles
from tests.unit.processors.replay.bench import KIND, KINDS, REGISTRY, START, pressures

RULES = """
standard: t
version: {version}
rules:
  - id: gas.low
    title: {{en: Low}}
    kind: gas_pressure
    value: pressure_kpa
    below: {{yellow: {limit}}}
    departments: [gas]
    source: made up
    confidence: low
"""


def rules(tmp_path: Path, limit: float = 1.5) -> Standard:
    path = tmp_path / "low.yaml"
    path.write_text(RULES.format(version=1, limit=limit))
    return load_standard([path], KINDS)


FALL = pressures({"gp-1": [2.0, 1.8, 1.4, 1.2, 2.0], "gp-2": [2.0] * 5})


def test_a_record_gives_what_the_engine_gives(tmp_path: Path) -> None:
    standards = Standards(rules(tmp_path))
    player = Player(KINDS, standards, lambda _: REGISTRY)
    engine = Engine(KIND, standards.own.rules, REGISTRY, 0)
    got = player.take(FALL)
    assert got == engine.process(FALL.batch, 0, FALL.log_time)
    assert [(one.transition, one.level) for one in got] == [("raised", Level.YELLOW), ("cleared", Level.NONE)]
    assert player.counts()["judged"] == 10
    assert player.texts(got[0]).departments == ("gas",)


def test_the_index_of_missing_readings_is_kept(tmp_path: Path) -> None:
    player = Player(KINDS, Standards(rules(tmp_path)), lambda _: REGISTRY)
    record = replace(FALL, index=np.arange(10) * 3 + 1)
    assert [one.log_index for one in player.take(record)] == [13, 25]


def control(text: str, offset: int, step: int) -> LogRecord:
    return replace(FileLog(KINDS, REGISTRY).tick(KIND, START + step * 10_000), offset=offset, control=text)


def test_rules_change_behind_their_control_record(tmp_path: Path) -> None:
    versions = {1: RuleFiles(1, "a", "r", 0, {"low.yaml": RULES.format(version=2, limit=1.0)})}
    standards = InForce(rules(tmp_path), versions, {}, KINDS, load_departments(), "UTC")
    player = Player(KINDS, standards, lambda _: REGISTRY)
    assert [one.level for one in player.take(pressures({"gp-1": [1.2]}))] == [Level.YELLOW]
    player.take(control("no such control", 1, 0))
    player.take(control("mode=0", 1, 0))
    player.take(control("rules=1", 1, 0))
    after = player.take(replace(pressures({"gp-1": [1.2, 0.9]}, first=1), offset=2))
    assert [(one.transition, one.rule_version) for one in after] == [("cleared", 2), ("raised", 2)]
    # an older version, or the same once more, changes nothing
    assert player.take(control("rules=1", 3, 3)) == []
    with pytest.raises(
        MissingVersionError, match="version 2 of the rules, which ClickHouse does not have; versions: 1"
    ):
        player.take(control("rules=2", 4, 3))
    with pytest.raises(MissingVersionError, match=r"version 1 of the modes, .*; versions: none"):
        player.take(control("mode=1", 5, 3))
    assert standards.modes(0) is NO_MODES
    assert standards.standard(0) is standards.own


def test_with_rules_of_its_own_the_log_s_changes_count_for_nothing(tmp_path: Path) -> None:
    player = Player(KINDS, Standards(rules(tmp_path)), lambda _: REGISTRY)
    player.take(control("rules=1", 0, 0))
    assert [one.level for one in player.take(pressures({"gp-1": [1.2]}))] == [Level.YELLOW]


def test_fields_are_scaled_shifted_and_held_to_what_the_instrument_gives() -> None:
    change = scaled(KINDS, {"pressure_kpa": 0.5}, {"pressure_kpa": -0.2})
    assert changed(FALL, change).batch.values["pressure_kpa"][:4].tolist() == [0.8, 0.8, 0.7, 0.8]
    field = KIND.field("pressure_kpa")
    least = changed(FALL, scaled(KINDS, {}, {"pressure_kpa": -1e9})).batch.values["pressure_kpa"]
    assert (least == field.minimum).all()
    assert np.isnan(changed(FALL, scaled(KINDS, {"flow_m3h": 2}, {})).batch.values["flow_m3h"]).all()
    with pytest.raises(ValueError, match=r"no kind has a field 'level'; fields: .*level_m"):
        scaled(KINDS, {"level": 2}, {})


def test_several_standards_see_the_same_readings_each_with_its_change(tmp_path: Path) -> None:
    own = rules(tmp_path)
    change = scaled(KINDS, {"pressure_kpa": 0.7}, {})
    plain, harder = judge(KINDS, [(Standards(own), None), (Standards(own), change)], lambda _: REGISTRY, [FALL])
    assert plain.counts == harder.counts
    assert plain.outcome.readings == 10
    assert plain.outcome.days == 40 / 86_400
    (one,) = plain.stories()
    assert (one.sensor_id, one.level, one.zone) == ("gp-1", Level.YELLOW, "city/north/mill")
    assert (one.raised_at, one.cleared_at) == (START + 20_000, START + 40_000)
    assert by_rule_and_level(harder.stories()) == {"gas.low": {"yellow": 2}}


def test_only_alerts_raised_in_a_time_are_reported(tmp_path: Path) -> None:
    series = pressures({"gp-1": [1.2, 2.0, 1.2, 2.0]})
    for since, until, raised in (
        (None, None, 2),
        (START + 10_000, None, 1),
        (None, START + 20_000, 1),
        (START + 1, START + 20_001, 1),
    ):
        (one,) = judge(KINDS, [(Standards(rules(tmp_path)), None)], lambda _: REGISTRY, [series])
        one.outcome.only(since, until)
        assert len(one.stories()) == raised
        assert all(story.cleared_at for story in one.stories())
    assert one.outcome.first_at == START + 1
    assert one.outcome.last_at == START + 20_001
