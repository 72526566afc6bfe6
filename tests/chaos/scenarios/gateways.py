"""Faults of the gateways."""

from __future__ import annotations

import random
import time

from tests.chaos.proxy import HoldAnswers
from tests.chaos.run import Run
from tests.chaos.suite import scenario
from tests.stack import wait_until

BROKER_KAFKA = "broker–Kafka"
HTTP_KAFKA = "HTTP–Kafka"


@scenario("kill −9 of the MQTT gateway", BROKER_KAFKA)
def kill_mqtt_gateway(run: Run) -> None:
    run.start_pipeline()
    run.mqtt_devices(run.pace.rate)
    run.load()
    for _ in range(max(2, run.pace.times // 4)):
        run.kill("mqtt-gateway")
        run.start("mqtt-gateway")
        run.load(random.uniform(0.2, 1.5))
    run.recovering()


@scenario("kill −9 of the HTTP gateway under load", HTTP_KAFKA)
def kill_http_gateway(run: Run) -> None:
    run.start_pipeline()
    run.http_devices(run.pace.rate, senders=6)
    run.load()
    for _ in range(max(2, run.pace.times // 4)):
        run.kill("http-gateway")
        run.start("http-gateway")
        run.load(random.uniform(0.2, 1.5))
    run.recovering()


@scenario("kill −9 of the HTTP gateway between Kafka's acknowledgement and the device's", HTTP_KAFKA)
def kill_http_gateway_before_its_answer(run: Run) -> None:
    """Its answers, which it gives after Kafka's, are held back from the devices until it is dead."""
    run.start_pipeline()
    proxy = run.proxy(run.service("http-gateway").http_port)
    run.http_devices(run.pace.rate, proxy.port, senders=6)
    run.load(2)
    for _ in range(max(2, run.pace.times // 4)):
        held = HoldAnswers()
        proxy.tamper = held
        wait_until(lambda held=held: any(b"200 OK" in one for one in held.held), "answers are held back")  # type: ignore[misc]
        time.sleep(random.uniform(0, 0.3))
        run.kill("http-gateway")
        proxy.cut()
        answers = sum(one.count(b"HTTP/1.1 200") for one in held.held)
        run.require(answers, "acknowledgements of the gateway that no device saw", answers)
        proxy.tamper = type(proxy.tamper).__base__()
        run.start("http-gateway")
        run.load(1)
    run.recovering()
