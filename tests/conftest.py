"""Fixtures for every test; those of the real servers start them only when a test asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Broker, Space, Stack, finish_run, own_space, prepare_run, shared_stack


def pytest_configure(config: pytest.Config) -> None:
    prepare_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    finish_run()


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The real Kafka, Mosquitto and ClickHouse, shared by all tests of the run."""
    return shared_stack()


@pytest.fixture
def space(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A topic prefix, a ClickHouse database and an id that only this test uses, on the shared servers."""
    with own_space(stack, request.node.name) as own:
        yield own


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto that only this test uses."""
    own = Broker(tmp_path / "broker")
    own.start()
    yield own
    own.stop()
