"""The short selection of the chaos suite; `make chaos` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.chaos.scenarios  # noqa: F401 - enters the scenarios
from tests.chaos.run import SHORT
from tests.chaos.servers import Servers
from tests.chaos.suite import SCENARIOS, Scenario, run_scenario
from tests.chaos.table import text

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that may be killed: not those of the other tests."""
    own = Servers(tmp_path_factory.mktemp("chaos"))
    yield own
    own.stop()


@pytest.mark.parametrize("chosen", [one for one in SCENARIOS.values() if one.short], ids=lambda one: one.name)
def test_the_selection(chosen: Scenario, servers: Servers, tmp_path: Path) -> None:
    row = run_scenario(chosen, servers, tmp_path, SHORT, print)
    assert row.passed, "\n" + text([row])
