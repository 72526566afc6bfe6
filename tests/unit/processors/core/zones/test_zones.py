"""The risk index: what it is made of, how it is graded, and that it is a function of the log."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.core.zones import ZoneEngine
from processors.ruleset import RuleError
from processors.zones import load_zones
from schemas.levels import LEVELS, Level
from tests.unit.processors.core.coupling.support import MINUTE, story

STANDARD = load_zones(None)
BLUE, YELLOW, ORANGE, RED, NONE = Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED, Level.NONE


def play(engine, signals):
    risks, told = [], []
    for signal in signals:
        new_risks, new_signals = engine.signal(signal, signal.at)
        risks += new_risks
        told += new_signals
    return risks, told


def test_the_index_by_hand() -> None:
    assert STANDARD.index({}, "grid") == 0
    assert STANDARD.index({("gas", RED): 1}, "grid") == 80
    assert STANDARD.index({("gas", RED): 1}, "street") == 48
    assert STANDARD.index({("gas", BLUE): 2}, "grid") == 19  # 1 - 0.9²
    assert STANDARD.index({("water", YELLOW): 1}, "grid") == 15
    # gas and flood make each other worse: 1 - (0.75 × 0.8)^1.5
    assert STANDARD.index({("gas", YELLOW): 1, ("flood", YELLOW): 1}, "grid") == 53.52
    # nothing joins gas and bridges: 1 - 0.75 × 0.75
    assert STANDARD.index({("gas", YELLOW): 1, ("bridge", YELLOW): 1}, "grid") == 43.75


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["gas", "flood", "water", "bridge"]), st.sampled_from(list(LEVELS))),
        st.integers(1, 50),
    )
)
def test_it_lies_between_0_and_100_and_grows_with_every_signal(counts) -> None:
    index = STANDARD.index(counts, "street")
    assert 0 <= index <= 100
    for key in [*counts, ("gas", BLUE)]:
        assert STANDARD.index({**counts, key: counts.get(key, 0) + 1}, "street") >= index


def test_it_is_graded_with_hysteresis() -> None:
    assert STANDARD.level(40, NONE) is YELLOW
    assert STANDARD.level(39.9, NONE) is BLUE
    assert STANDARD.level(35, YELLOW) is YELLOW
    assert STANDARD.level(34.9, YELLOW) is BLUE
    assert STANDARD.level(14.9, RED) is NONE


def test_grid_street_and_district_rise_and_fall_with_their_signals() -> None:
    engine = ZoneEngine(STANDARD)
    log = story("gas.low", "p", {1: RED, 9: NONE}) + story("flood.high", "m", {2: YELLOW, 5: NONE}, zone="c/d/s/m/h")
    risks, told = play(engine, sorted(log, key=lambda one: one.at))
    newest = {risk.zone: risk for risk in risks}
    assert newest.keys() == {"c/d/s/m/g", "c/d/s/m/h", "c/d/s", "c/d"}
    assert all((risk.index, risk.level) == (0, NONE) for risk in newest.values())
    assert [risk.sequence for risk in risks if risk.zone == "c/d/s"] == [1, 2, 3, 4]
    street = [one for one in told if one.zone == "c/d/s"]
    assert [(one.at // MINUTE, one.transition, one.level) for one in street] == [
        (1, "raised", YELLOW), (2, "changed", ORANGE), (5, "changed", YELLOW), (9, "cleared", NONE),
    ]  # fmt: skip
    assert len({one.alert_id for one in street}) == 1
    assert [one.sequence for one in street] == [1, 2, 3, 4]
    assert all((one.type, one.departments) == ("index", ["emergency"]) for one in told)
    assert json.loads(street[1].evidence)["open"] == {"flood": {"yellow": 1}, "gas": {"red": 1}}


def test_data_faults_couplings_and_events_do_not_count() -> None:
    engine = ZoneEngine(STANDARD)
    for rule, type_ in (
        ("any.no-data", "no_data"),
        ("any.stuck", "threshold"),
        ("coupled.x", "coupling"),
        ("gas.x", "event"),
    ):
        assert play(engine, story(rule, "s", {1: RED}, type_=type_)) == ([], [])


def test_an_exercise_has_an_index_of_its_own() -> None:
    risks, _ = play(ZoneEngine(STANDARD), story("gas.low", "p", {1: RED}, mode="exercise", run_id="r"))
    assert {(risk.mode, risk.run_id) for risk in risks} == {("exercise", "r")}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 30), st.integers(0, 8))
def test_stopped_anywhere_and_fed_doubles_it_gives_the_same(seed: int, cut: int, doubled: int) -> None:
    rng = random.Random(seed)
    log = []
    for number in range(8):
        start = rng.randrange(20)
        steps = {
            start: Level(rng.randrange(1, 5)),
            start + 1: Level(rng.randrange(1, 5)),
            start + 2 + rng.randrange(9): NONE,
        }
        log += story(rng.choice(["gas.low", "flood.high"]), f"s{number}", steps, zone=f"c/d/s/m/{rng.choice('gh')}")
    log.sort(key=lambda one: one.at)
    whole = ZoneEngine(STANDARD)
    expected = play(whole, log)
    first = ZoneEngine(STANDARD)
    risks, told = play(first, log[:cut])
    second = ZoneEngine(STANDARD)
    second.restore(json.loads(json.dumps(first.export())))
    assert play(second, log[max(0, cut - doubled) : cut]) == ([], [])
    more = play(second, log[cut:])
    assert (risks + more[0], told + more[1]) == expected
    assert second.export() == whole.export()
    # when all has cleared nothing is left of the risk, whatever floats do
    assert all(one.index == 0 for one in {risk.zone: risk for risk in expected[0]}.values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lead_department: emergency", "lead_department: emergncy", "did you mean `emergency`"),
        ("hysteresis: 5", "hysteresis: -1", "greater than or equal to 0"),
        ("points: {blue: 10", "points: {blue: 30", "each not below the one before"),
        ("[gas, water]", "[gas, wter]", "names wter"),
        ("step: 1", "stp: 1", "did you mean `step`"),
    ],
)
def test_a_wrong_standard_is_named(tmp_path, old, new, said) -> None:
    from processors.ruleset import SHIPPED

    text = (SHIPPED / "zones.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "zones.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RuleError, match=said):
        load_zones([tmp_path])
