"""Kafka clients' configuration, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from runtime.settings import Settings


def topic_name(settings: Settings, name: str) -> str:
    """The name of a topic in Kafka: the prefix of the settings in front."""
    return settings.topic_prefix + name


def group_name(settings: Settings, name: str) -> str:
    """The name of a consumer group, prefixed like the topics."""
    return f"{settings.topic_prefix}riskstream-{name}"


def client_config(settings: Settings) -> dict[str, Any]:
    """What every confluent-kafka client needs."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": f"riskstream-{settings.instance}",
        # without a broker it logs each attempt; the services say it themselves, once
        "log.connection.close": False,
        "reconnect.backoff.max.ms": 2000,
    }


def producer_config(settings: Settings) -> dict[str, Any]:
    """An idempotent producer that answers only when all in-sync replicas have the record."""
    return client_config(settings) | {
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 1,
        "message.max.bytes": 1_048_576,
        "queue.buffering.max.kbytes": 262_144,
    }


def member_id(settings: Settings, group: str, topics: Iterable[str]) -> str:
    """The static member id of this replica in a consumer group, another one for another set of topics.

    A static member that comes back within its session gets its old partitions without a rebalance, even if it now
    subscribes to more topics: under the same id it would never get those of a kind that was added.
    """
    subscription = crc32(",".join(sorted(topics)).encode())
    return f"{group}-{settings.instance}-{subscription:08x}"


def consumer_config(settings: Settings, group: str, topics: Iterable[str]) -> dict[str, Any]:
    """A consumer that commits only when told, with static membership: a restart within the session moves nothing."""
    return client_config(settings) | {
        "group.id": group_name(settings, group),
        "group.instance.id": member_id(settings, group, topics),
        "session.timeout.ms": settings.kafka_session_timeout_ms,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": 100,
    }
