"""A part of the fuzz on each run of the tests; `make fuzz` runs all of it."""

from __future__ import annotations

import pytest

from tests.fuzz.in_process import Fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_malformed_messages_are_accepted_rejected_or_refused(seed: int) -> None:
    tally = Fuzz(seed).run(0, 4000)
    assert tally.closes()
    # the messages reach every part: each outcome, and nearly every reason
    assert tally.outcomes.keys() >= {
        "http: accepted", "http: rejected", "http: refused", "mqtt: accepted", "mqtt: rejected",
    }  # fmt: skip
    assert min(tally.outcomes.values()) > 50
    assert len(tally.reasons) >= 12
    assert tally.readings > 500
