"""Followers on the real Kafka: any version at any time, and what cannot be read replaces nothing."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from processors.standards import own_standard
from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from riskstream.version_log import publish_version
from runtime import registry_follower
from runtime.kafka import producer_config, topic_name
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings
from runtime.version_follower import rules_follower
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.registry import Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.rule_versions import RULES_TOPIC, RuleFiles
from schemas.topics import load_topics
from tests.integration.gateways import settings_of
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

VERSIONS = 6


@pytest.fixture
def settings(space: Space) -> Settings:
    settings = settings_of(space.environment)
    topics = load_topics(load_kinds(), load_departments())
    make_topics(settings, plan(settings, [topic for name, topic in topics.items() if name.startswith("registry.")]))
    return settings


def test_a_registry_version_that_is_not_kept_is_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_follower, "_KEPT_VERSIONS", 2)
    for version in range(1, VERSIONS + 1):
        sensor = {f"s{version}": Sensor(f"s{version}", "rainfall", "a sensor", "city", "flood")}
        rows = {SENSORS_TOPIC: Difference(1, 0, 0, sensor), ASSETS_TOPIC: Difference(0, 0, 0, {})}
        publish(settings, lambda _, rows=rows: rows, author="test")  # type: ignore[misc]
    follower = RegistryFollower(settings)
    follower.start()
    try:
        assert follower.wait_ready(30)
        assert follower.reached() == VERSIONS
        for version in (0, 1, 2, VERSIONS - 1, VERSIONS):
            snapshot = follower.at(version)
            assert (snapshot.version, len(snapshot.sensors)) == (version, version)
        with pytest.raises(LookupError, match=f"there is no registry version {VERSIONS + 1}"):
            follower.at(VERSIONS + 1)
    finally:
        follower.stop()


def test_versions_come_live_and_what_is_no_new_version_is_passed_over(settings: Settings) -> None:
    changes: list[int] = []
    follower = rules_follower(settings, lambda: changes.append(len(follower.versions())))
    follower.start()
    try:
        assert follower.wait_ready(30)
        assert follower.versions() == {}
        first = RuleFiles(1, "li", "first", 1, {"a.yaml": "x: 1"})
        assert publish_version(settings, RULES_TOPIC, RuleFiles, lambda versions: first) == first
        assert follower.catch_up(30)
        assert follower.find(1) == first
        producer = Producer(producer_config(settings))
        for value in (
            b"",
            b"nonsense",
            RuleFiles(1, "x", "again", 2, {}).encode(),
            RuleFiles(0, "x", "", 2, {}).encode(),
        ):
            producer.produce(topic_name(settings, RULES_TOPIC), value, partition=0)
        assert producer.flush(10) == 0
        assert follower.catch_up(30)
        assert follower.versions() == {1: first}
        second = RuleFiles(2, "li", "second", 3, {})
        publish_version(settings, RULES_TOPIC, RuleFiles, lambda versions: second if versions == [first] else None)
        wait_until(lambda: follower.find(2) == second, "the second version")
        assert changes[0] == 0
    finally:
        follower.stop()


def test_own_rules_know_the_settings(settings: Settings) -> None:
    assert (
        own_standard(settings.model_copy(update={"timezone": "Asia/Shanghai"}), load_kinds()).rules.timezone
        == "Asia/Shanghai"
    )
