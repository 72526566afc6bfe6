"""Mode and run of MQTT messages, from their user properties."""

import pytest

from ingest.mode import LIVE, Run, run_of
from schemas.batch import Mode


@pytest.mark.parametrize(
    ("properties", "run"),
    [
        ([], LIVE),
        ([("other", "x")], LIVE),
        ([("riskstream-mode", "exercise"), ("riskstream-run-id", "drill-7")], Run(Mode.EXERCISE, "drill-7")),
        ([("riskstream-mode", "history")], Run(Mode.HISTORY, "")),
    ],
)
def test_properties(properties, run) -> None:
    assert run_of(properties) == run


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ([("riskstream-mode", "Live")], "riskstream-mode is 'Live'; allowed: live, history, exercise"),
        ([("riskstream-run-id", "a b")], "riskstream-run-id is 'a b'; allowed: letters, digits"),
        ([("riskstream-run-id", "a" * 101)], "at most 100"),
    ],
)
def test_what_is_not_allowed_is_named(properties, message) -> None:
    with pytest.raises(ValueError, match=message):
        run_of(properties)
