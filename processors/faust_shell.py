"""What the Faust services share: how an app is set up and run, how it publishes, sets back, and ends.

Faust's own ways are not used where they lose records (docs/architecture.md): no tables, no acknowledgement before the
result is safe, no agent that restarts behind the record that broke it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Collection
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import faust
from faust.types import TP, EventT

from runtime.kafka import group_name, member_id, topic_name
from runtime.settings import Settings

log = logging.getLogger(__name__)

EXIT_BROKEN = 70


@contextmanager
def faust_folder() -> Any:
    """A folder that Faust makes and nothing is ever written to."""
    with tempfile.TemporaryDirectory(prefix="riskstream-faust-") as folder:
        yield folder


def new_app(settings: Settings, group: str, member: str, topics: Collection[str], folder: str) -> faust.App:
    """An app of a consumer group; `topics` (without prefix) are what its agents follow, `member` names its kind."""
    return faust.App(
        group_name(settings, group),
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        autodiscover=False,
        origin="processors",
        datadir=folder,
        # an own health server answers; Faust's would take port 6066 of every worker
        web_enabled=False,
        # topics are made by `riskstream migrate`, all of them
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member_id(settings, member, topics),
        broker_session_timeout=settings.kafka_session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.kafka_session_timeout_ms / 3000,
        broker_commit_interval=1.0,
        # a held record would make it wait in a rebalance until it is evicted
        stream_wait_empty=False,
        producer_acks=-1,
        producer_compression_type="lz4",
    )


def raw_topic(app: faust.App, settings: Settings, name: str) -> Any:
    """A topic whose keys and values are bytes."""
    return app.topic(
        topic_name(settings, name), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


def run_app(app: faust.App, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    service = faust.Worker(app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True)
    service.spinner = None  # it would write escape sequences, into files too
    service.execute_from_commandline()


def origin(event: EventT[bytes]) -> str:
    """Topic, partition and offset of a record, for messages and rejects."""
    return f"{event.message.topic}/{event.message.partition}/{event.message.offset}"


async def nearest(app: faust.App, event: EventT[bytes], offset: int) -> int:
    """The offset from which the event's partition can be read again: `offset`, or where its log begins now."""
    partition = TP(event.message.topic, event.message.partition)
    begin = (await app.consumer.earliest_offsets(partition))[partition]
    return max(int(begin), offset)


async def set_back(app: faust.App, event: EventT[bytes], offset: int) -> None:
    """Read the event's partition again from there."""
    await app.consumer.seek(TP(event.message.topic, event.message.partition), offset)


def end_process(why: str, error: Exception) -> NoReturn:
    """End the process at once: what is not acknowledged comes again, to the next worker."""
    log.critical("%s", why, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_BROKEN)


class Out(NamedTuple):
    """A record to publish; without a partition, the key (or chance) chooses it."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: dict[str, bytes] = {}  # noqa: RUF012 - never changed


class Publisher:
    """Publishes with Faust's producer and waits until Kafka has it; while Kafka is away it tries again, for ever."""

    def __init__(self) -> None:
        self.app: faust.App | None = None

    async def deliver(self, records: list[Out]) -> int:
        """The last offset; −1 without records. Records of one partition keep their order."""
        if not records:
            return -1
        if self.app is None:
            raise RuntimeError("the publisher has no app yet")
        wait = 0.1
        while True:
            try:
                futures = [
                    await self.app.producer.send(one.topic, one.key, one.value, one.partition, None, one.headers)
                    for one in records
                ]
                return max(int(one.offset) for one in await asyncio.gather(*futures))
            except Exception as error:
                log.warning("cannot publish, trying again in %.1f s: %r", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
