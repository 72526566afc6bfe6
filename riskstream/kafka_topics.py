"""Makes the Kafka topics that `schemas/topics.yaml` lists."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicMetadata

from riskstream.servers import kafka_trouble
from runtime.kafka import client_config, topic_name
from runtime.settings import Settings
from schemas.topics import Topic

_TIMEOUT_S = 20.0
_LOOK_AGAIN_S = 0.05


class KafkaAwayError(Exception):
    """Kafka cannot be reached or does not do what is asked; the message says what and why."""


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic as it is to be; `name` with the prefix."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    description: str


def plan(settings: Settings, topics: Iterable[Topic]) -> list[PlannedTopic]:
    """Each topic with its prefix, and the settings' partitions where the topic leaves them open."""
    return [
        PlannedTopic(
            topic_name(settings, topic.name),
            settings.partitions if topic.partitions is None else topic.partitions,
            settings.replication,
            topic.config,
            topic.description,
        )
        for topic in topics
    ]


def make_topics(settings: Settings, planned: Iterable[PlannedTopic]) -> tuple[list[str], list[str]]:
    """Make the topics that are missing, and wait until they can be used; a topic that exists is never altered.

    Returns lines of what was made, and lines of what differs in the topics that were there. Raises `KafkaAwayError`.
    """
    if trouble := kafka_trouble(settings):
        raise KafkaAwayError(trouble)
    admin = AdminClient(client_config(settings) | {"log_level": 0})
    wanted = {topic.name: topic for topic in planned}
    try:
        present = admin.list_topics(timeout=_TIMEOUT_S / 2).topics
        made = _make(admin, [topic for name, topic in wanted.items() if name not in present])
        there = {name: len(present[name].partitions) for name in wanted if name in present}
        return made, differences(wanted, there, _configs(admin, list(there)))
    except KafkaException as error:
        why = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
        raise KafkaAwayError(f"Kafka at {settings.kafka_bootstrap}: {why}") from error


def differences(
    wanted: Mapping[str, PlannedTopic], partitions: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """What topics that exist have otherwise than wanted, a line each."""
    lines = []
    for name, count in partitions.items():
        topic = wanted[name]
        if count != topic.partitions:
            lines.append(f"topic {name}: has {count} partitions, not {topic.partitions}; left as it is")
        for key, value in topic.config.items():
            present = configs.get(name, {}).get(key)
            if present is not None and present != value:
                lines.append(f"topic {name}: has {key}={present}, not {value}; left as it is")
    return lines


def _make(admin: AdminClient, missing: list[PlannedTopic]) -> list[str]:
    if not missing:
        return []
    new = [NewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.config)) for topic in missing]
    made = []
    futures = admin.create_topics(new, operation_timeout=_TIMEOUT_S)
    for topic in missing:
        try:
            futures[topic.name].result(_TIMEOUT_S)
        except KafkaException as error:
            # another runner made it in the meantime
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            made.append(f"topic {topic.name}: made with {topic.partitions} partition{'s' * (topic.partitions > 1)}")
    _wait_until_led(admin, missing)
    return made


def _wait_until_led(admin: AdminClient, made: list[PlannedTopic]) -> None:
    """Wait until a broker knows each partition's leader: the controller answers before the brokers have followed it,
    and whoever asked one at once would be told that there is no such topic. Raises `KafkaAwayError`.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        present = admin.list_topics(timeout=_TIMEOUT_S / 2).topics
        waiting = [topic.name for topic in made if not _is_led(present.get(topic.name))]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise KafkaAwayError(f"topic {waiting[0]} was made, but no broker leads it after {_TIMEOUT_S:.0f} s")
        time.sleep(_LOOK_AGAIN_S)


def _is_led(topic: TopicMetadata | None) -> bool:
    return topic is not None and bool(topic.partitions) and all(p.leader >= 0 for p in topic.partitions.values())


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    return {
        resource.name: {key: entry.value for key, entry in future.result(_TIMEOUT_S).items()}
        for resource, future in admin.describe_configs(resources).items()
    }
