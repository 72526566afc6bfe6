"""The publisher without a Kafka: nobody waits for ever, and nothing counts as delivered."""

from __future__ import annotations

import json

from ingest.publisher import Publisher
from ingest.tickets import Ticket
from runtime.settings import Settings
from schemas.batch import Mode
from schemas.records import Rejected
from tests.stack import wait_until
from tests.unit.ingest.city import KINDS, NOW, read, reading


def test_without_kafka_tickets_fail_within_the_timeout_and_memory_is_given_back() -> None:
    settings = Settings(kafka_bootstrap="127.0.0.1:9", publish_timeout_s=1, linger_ms=1)
    publisher = Publisher(settings, "http", KINDS)
    done: list[Ticket] = []
    accepted = read(json.dumps([reading(), reading(sensor_id="GP-2")]))[1].accepted
    readings = Ticket(done.append)
    publisher.publish("gas_pressure", accepted, Mode.LIVE, "", NOW, readings)
    readings.seal()
    reject = Ticket(done.append)
    publisher.reject(Rejected(b"x", "http", "g", "/p", "unreadable", "d", NOW), reject)
    reject.seal()
    nothing = Ticket(done.append)
    publisher.publish("gas_pressure", read("{}")[1].accepted, Mode.LIVE, "", NOW, nothing)
    nothing.seal()
    assert done == [nothing]
    assert not publisher.idle
    assert publisher.in_flight_bytes > 0

    def settled() -> bool:
        publisher.serve()
        return len(done) == 3

    wait_until(settled, "the tickets fail", 10)
    assert nothing.error is None
    assert readings.error is not None
    assert reject.error is not None
    assert publisher.in_flight_bytes == 0
    assert publisher.idle
    assert publisher.fatal() is None
