"""Simulator and player on the real Mosquitto, Kafka and gateways: what was sent is what arrived, exactly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from click.testing import CliRunner, Result

from ingest.api_keys import new_key
from riskstream.devices.city import load_city
from riskstream.devices.mqtt import MqttTransport
from riskstream.devices.play import Progress, play
from riskstream.devices.transport import Endpoints, TransportError
from riskstream.registry_log import Difference, publish
from riskstream.send import send
from runtime.settings import Settings
from schemas.batch import Mode
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from tests.integration.gateways import make_ready, published, running, settings_of
from tests.stack import Broker, Space, wait_until

pytestmark = pytest.mark.stack


@pytest.fixture
def environment(space: Space, broker: Broker, tmp_path: Path) -> dict[str, str]:
    _, line = new_key("other")
    key, own = new_key("simulator")
    (tmp_path / "keys").write_text(f"{line}\n{own}\n")
    return {
        **space.environment,
        **broker.environment,
        "RISKSTREAM_HTTP_API_KEYS": str(tmp_path / "keys"),
        "RISKSTREAM_API_KEY": key,
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    settings = settings_of({name: value for name, value in environment.items() if name != "RISKSTREAM_API_KEY"})
    make_ready(settings, {})
    city = load_city()
    publish(
        settings,
        lambda _: {
            SENSORS_TOPIC: Difference(len(city.sensors), 0, 0, city.sensors),
            ASSETS_TOPIC: Difference(len(city.assets), 0, 0, city.assets),
        },
        author="test",
    )
    return settings


@pytest.fixture
def endpoints(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Endpoints]:
    """Both gateways, running."""
    with ExitStack() as stack:
        mqtt = stack.enter_context(running("mqtt-gateway", environment, tmp_path))
        http = stack.enter_context(running("http-gateway", environment, tmp_path))
        mqtt.wait_ready()
        http.wait_ready()
        yield Endpoints(
            mqtt_port=settings.mqtt_port,
            http_url=f"http://127.0.0.1:{http.http_port}",
            api_key=environment["RISKSTREAM_API_KEY"],
        )


def run_send(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Result:
    monkeypatch.setenv("RISKSTREAM_MQTT_PORT", str(endpoints.mqtt_port))
    options = ["--http-url", endpoints.http_url, "--api-key", endpoints.api_key]
    return CliRunner().invoke(send, [*map(str, arguments), *options])


def test_a_city_over_both_ways_arrives_whole_in_time_and_not_late(endpoints: Endpoints, settings: Settings) -> None:
    city = load_city()
    seen: list[Progress] = []
    counts = play(
        city.sensors.values(), city.assets, city.kinds, endpoints, scenario="storm-and-leak", duration_s=6, speed=200,
        rate=3000, on_progress=seen.append,
    )  # fmt: skip
    assert set(counts.transports) == {"mqtt", "http"}
    assert all(transport.sent > 1000 for transport in counts.transports.values())
    assert (counts.unanswered, counts.rejected, counts.sent) == (0, Counter(), counts.acknowledged)
    assert seen[-1].elapsed_s == 6

    # the broker has acknowledged everything; the gateway passes it on
    wait_until(lambda: len(published(settings).readings) >= counts.sent, "all readings in Kafka")
    arrived = published(settings)
    assert len(arrived.readings) == counts.sent
    assert arrived.rejected == []
    assert Counter(kind for b in arrived.batches for kind in [b.kind] * len(b)) == counts.by_kind
    assert not any(batch.late.any() for batch in arrived.batches)
    ahead = max(int(batch.observed_at.max()) - batch.received_at for batch in arrived.batches)
    assert ahead < 60_000


@pytest.mark.parametrize("via", ["mqtt", "http"])
def test_a_recording_is_moved_to_now_in_runs(
    via: str, endpoints: Endpoints, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [f"2022-11-04 08:49:{34 + i // 100:02}.{i % 100:02}9,{i / 8}" for i in range(1500)]
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("../../r.csv", "\n".join(["Time (-),DMS_CN (um/m)", *rows]))
    result = run_send(
        endpoints, monkeypatch, tmp_path / "r.zip", "--kind", "bridge_strain", "--sensor", "REC-STRAIN-LOWERING",
        "--column", "strain_ue=DMS_CN (um/m)", "--time-format", "%Y-%d-%m %H:%M:%S.%f", "--speed", "max",
        "--via", via, "--format", "json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["acknowledged"] == 1500
    wait_until(lambda: len(published(settings).readings) >= 1500, "all readings in Kafka")
    readings = published(settings).readings
    if via == "mqtt":
        # the sessions of a shared subscription take turns, so messages of one device may overtake each other
        readings.sort(key=lambda reading: reading[1])
    assert [values["strain_ue"] for _, _, values in readings] == [i / 8 for i in range(1500)]
    times = np.array([at for _, at, _ in readings])
    assert (np.diff(times) == 10).all()
    assert abs(times[-1] - time.time() * 1000) < 60_000


def test_original_times_are_history_with_a_run_id(
    endpoints: Endpoints, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "levels.csv").write_text("Date,River\n1990-01-02,-0.1203\n1990-01-03,\n2019-10-29,-0.2739\n")
    arguments = (
        tmp_path / "levels.csv", "--kind", "water_level", "--column", "level_m=River", "--original-time", "--sensor",
    )  # fmt: skip
    result = run_send(endpoints, monkeypatch, *arguments, "REC-SURFACE-WATER")
    assert result.exit_code == 0, result.output
    assert "1 rows without a value are skipped" in result.output
    arrived = published(settings)
    assert [(at, values["level_m"]) for _, at, values in arrived.readings] == [
        (631_238_400_000, -0.1203), (1_572_307_200_000, -0.2739),
    ]  # fmt: skip
    assert {(batch.mode, batch.run_id) for batch in arrived.batches} == {(Mode.HISTORY, "send-levels.csv")}

    unknown = run_send(endpoints, monkeypatch, *arguments, "NOBODY")
    assert "rejected, unknown_sensor: 2" in unknown.output

    endpoints = Endpoints(mqtt_port=endpoints.mqtt_port, http_url=endpoints.http_url, api_key="wrong")
    refused = run_send(endpoints, monkeypatch, *arguments, "REC-SURFACE-WATER")
    assert refused.exit_code == 1
    assert "401" in refused.output


def test_a_broker_that_is_killed_costs_no_reading(broker: Broker) -> None:
    received: set[int] = set()
    subscriber = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id="gateway", protocol=paho.MQTTv311, clean_session=False
    )
    subscriber.reconnect_delay_set(1, 1)
    ready = threading.Event()
    subscriber.on_connect = lambda client, *_: client.subscribe("riskstream/v1/#", qos=1)
    subscriber.on_subscribe = lambda *_: ready.set()
    subscriber.on_message = lambda client, data, message: received.add(json.loads(message.payload)["observed_at"])
    subscriber.connect("127.0.0.1", broker.port)
    subscriber.loop_start()
    try:
        assert ready.wait(20)
        transport = MqttTransport(Endpoints(mqtt_port=broker.port), client_id="device", connections=2, in_flight=50)

        def work() -> None:
            for at in range(3000):
                transport.put("rainfall", f"R-{at % 7}", [{"observed_at": at, "rain_mm": 0}], 1)

        device = threading.Thread(target=work)
        device.start()
        wait_until(lambda: transport.counts.acknowledged > 200, "some readings acknowledged")
        broker.kill()
        broker.start()
        device.join(60)
        transport.finish(30)
        counts = transport.counts
        assert (counts.sent, counts.acknowledged, counts.unanswered) == (3000, 3000, 0)
        assert counts.resent > 0
        wait_until(lambda: len(received) == 3000, "every acknowledged reading at the subscriber")
    finally:
        subscriber.disconnect()
        subscriber.loop_stop()


def test_messages_that_nobody_subscribes_to_are_told(broker: Broker) -> None:
    transport = MqttTransport(Endpoints(mqtt_port=broker.port), client_id="device")
    transport.put("rainfall", "R-1", [{"observed_at": 1, "rain_mm": 0}, {"observed_at": 2, "rain_mm": 0}], 2)
    transport.finish(10)
    assert transport.counts.rejected == {"no_matching_subscribers": 2}


def test_no_broker(broker: Broker) -> None:
    broker.stop()
    with pytest.raises(TransportError, match=f"MQTT broker at 127.0.0.1:{broker.port}: Connection refused"):
        MqttTransport(Endpoints(mqtt_port=broker.port), client_id="device")


def test_a_long_play_is_told_and_ctrl_c_says_what_was_not_sent(
    endpoints: Endpoints, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "slow.csv"
    file.write_text("time,rain_mm\n" + "".join(f"2026-01-{day:02}T00:00:00Z,0.2\n" for day in range(1, 11)))
    command = [sys.executable, "-m", "riskstream", "send", str(file), "--kind", "rainfall", "--column",
               "rain_mm=rain_mm", "--http-url", endpoints.http_url, "--via", "http"]  # fmt: skip
    done = subprocess.Popen(
        [*command, "--sensor", "RF-DQ-11"], env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until(lambda: published(settings).readings or None, "the first reading")
    done.send_signal(signal.SIGINT)
    _, errors = done.communicate(timeout=60)
    assert "takes about 9 days at --speed 1" in errors
    assert "stopped: 9 of 10 readings were not sent" in errors
    assert done.returncode == 130

    def refused(*arguments: str) -> str:
        other = subprocess.run(
            [*command, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
        )
        assert other.returncode == 2
        return other.stderr

    assert "the registry has no sensor 'RF-DQ-1'; did you mean RF-DQ-" in refused("--sensor", "RF-DQ-1")
    assert "the registry has GP-DQ-111-1 as gas_pressure, not rainfall" in refused("--sensor", "GP-DQ-111-1")
