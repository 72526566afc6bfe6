"""Every bad input that a gateway will meet: a clear answer, the original bytes kept, and the next reading is taken."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest.rejects import MAX_ORIGINAL_BYTES
from runtime.settings import Settings
from tests.integration.gateways import Service, make_ready, published, running, settings_of
from tests.integration.test_mqtt_gateway import device, send
from tests.stack import Broker, Space, wait_until

pytestmark = pytest.mark.stack

NOW = int(time.time() * 1000)
GOOD = {"sensor_id": "GP-0001", "observed_at": NOW, "pressure_kpa": 2.0}
PATH = "/v1/readings/gas_pressure"


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join([packer.compress(b" " * 1_000_000) for _ in range(megabytes)]) + packer.flush()


def item(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


# what is sent, the status, and the reason; for 200 it is the reason of the one item
BAD = [
    ("broken JSON", b'{"sensor_id": "GP-0001", "pressure', 400, "unreadable"),
    ("not UTF-8", b'{"sensor_id": "GP-\xff\xfe"}', 400, "unreadable"),
    ("deep nesting", b"[" * 50_000, 400, "unreadable"),
    ("nothing", b"", 400, "empty"),
    ("an empty array", b"[]", 400, "empty"),
    ("wrong kind", item(sensor_id="RF-0001"), 200, "wrong_kind"),
    ("unknown sensor", item(sensor_id="GP-4711"), 200, "unknown_sensor"),
    ("NaN", item(pressure_kpa=float("nan")), 200, "not_a_number"),
    ("Infinity", item(pressure_kpa=float("inf")), 200, "not_a_number"),
    ("a number as text", item(pressure_kpa="2.0"), 200, "not_a_number"),
    ("a huge number", item(pressure_kpa=10**400), 200, "out_of_range"),
    ("1e999", b'{"sensor_id":"GP-0001","observed_at":%d,"pressure_kpa":1e999}' % NOW, 200, "out_of_range"),
    ("the year 3000", item(observed_at="3000-01-01T00:00:00Z"), 200, "in_the_future"),
    ("1969", item(observed_at="1969-07-20T20:17:40Z"), 200, "bad_time"),
    ("a key twice", b'{"pressure_kpa":9,' + item()[1:], 200, "unreadable"),
]


@pytest.fixture
def settings(space: Space) -> Settings:
    settings = settings_of(space.environment)
    make_ready(settings, {"GP-0001": "gas_pressure", "RF-0001": "rainfall", "BS-0001": "bridge_strain"})
    return settings


@pytest.fixture
def gateway(settings: Settings, space: Space, tmp_path: Path) -> Iterator[Service]:
    with running("http-gateway", space.environment, tmp_path) as service:
        service.wait_ready()
        yield service


@pytest.fixture
def client(gateway: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.http_port}", timeout=60) as client:
        yield client


def still_serves(client: httpx.Client) -> None:
    assert client.post(PATH, json=GOOD).json() == {"accepted": 1, "rejected": []}


def test_over_http(client: httpx.Client, settings: Settings) -> None:
    for name, body, status, reason in BAD:
        answer = client.post(PATH, content=body)
        assert answer.status_code == status, name
        said = answer.json() if status != 200 else answer.json()["rejected"][0]
        assert (said.get("error") or said["reason"]) == reason, name
        assert said["detail"], name
        still_serves(client)
    found = published(settings)
    assert [(r.reason, r.original) for r in found.rejected] == [(reason, body) for _, body, _, reason in BAD]
    assert len(found.readings) == len(BAD)


def test_gzip_over_http(client: httpx.Client, settings: Settings) -> None:
    packed = gzip.compress(item())
    cases = [
        (packed[:-5], 400, "unreadable"),
        (b"no gzip", 400, "unreadable"),
        (bomb(100), 413, "too_large"),
    ]
    for body, status, reason in cases:
        answer = client.post(PATH, content=body, headers={"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json()["error"]) == (status, reason)
        still_serves(client)
    kept = published(settings).rejected
    assert [(r.reason, r.original) for r in kept] == [(reason, body) for body, _, reason in cases]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_refused_without_being_kept(gateway: Service, client: httpx.Client, chunked: bool) -> None:
    def megabytes() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000_000

    body = megabytes() if chunked else b" " * 100_000_000
    answer = client.post(PATH, content=body)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert "16000000 bytes" in answer.json()["detail"]
    still_serves(client)
    assert peak_megabytes(gateway) < 200


def test_a_million_readings_in_one_post(gateway: Service, client: httpx.Client, settings: Settings) -> None:
    """As objects they are over the limit, and the answer says so; as a run of samples they are taken whole."""
    objects = b"[" + b",".join([item()] * 1_000_000) + b"]"
    answer = client.post(PATH, content=objects)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert "several posts" in answer.json()["detail"]
    samples = ",".join(str(i % 100) for i in range(1_000_000))
    start = NOW - 10_000_000
    run = f'{{"sensor_id":"BS-0001","observed_at":{start},"sample_rate_hz":100,"strain_ue":[{samples}]}}'
    answer = client.post("/v1/readings/bridge_strain", content=run)
    assert answer.json() == {"accepted": 1_000_000, "rejected": []}
    still_serves(client)
    found = published(settings)
    assert sum(map(len, found.batches)) == 1_000_001
    assert max(map(len, found.batches)) <= 2000


def test_many_rejects_in_one_post_are_all_kept(client: httpx.Client, settings: Settings) -> None:
    body = json.dumps([{**GOOD, "sensor_id": f"XX-{i}"} for i in range(5000)])
    answer = client.post(PATH, content=body).json()
    assert (answer["accepted"], len(answer["rejected"])) == (0, 5000)
    kept = published(settings).rejected
    assert {r.sensor_id for r in kept} == {f"XX-{i}" for i in range(5000)}
    still_serves(client)


def test_a_long_original_is_cut_and_says_so(client: httpx.Client, settings: Settings) -> None:
    body = b'{"sensor_id": "' + b"x" * 2_000_000
    assert client.post(PATH, content=body).status_code == 400
    (kept,) = published(settings).rejected
    assert (kept.truncated, kept.original) == (True, body[:MAX_ORIGINAL_BYTES])
    assert f"original cut from {len(body)}" in kept.detail


def test_over_mqtt(settings: Settings, space: Space, broker: Broker, tmp_path: Path) -> None:
    """The same, and what only MQTT has; every message is kept, and the one behind it is taken."""
    packed = gzip.compress(item())
    topic = "riskstream/v1/gas_pressure/GP-0001"
    wrong_topics = [
        ("riskstream/v1/gas_pressure", "topic_mismatch"),
        ("riskstream/v1/gas_pressure/GP-0001/more", "topic_mismatch"),
        ("riskstream/v1/none/GP-0001", "unknown_kind"),
        ("riskstream/v1/rainfall/GP-0001", "wrong_kind"),
    ]
    rain = json.dumps({"observed_at": NOW, "rain_mm": 1}).encode()
    cases = [
        (topic, body, "topic_mismatch" if b'"RF-0001"' in body or b"4711" in body else reason)
        for _, body, _, reason in BAD
    ]
    cases += [(topic, packed[:-5], "unreadable"), (topic, bomb(100), "too_large")]
    cases += [(wrong, rain, reason) for wrong, reason in wrong_topics]
    with running("mqtt-gateway", {**space.environment, **broker.environment}, tmp_path) as service:
        service.wait_ready()
        with device(broker.port) as client:
            for number, (where, body, _) in enumerate(cases):
                send(client, where, body)
                send(client, topic, json.dumps({"observed_at": NOW + number, "pressure_kpa": 2}))
        wait_until(lambda: len(published(settings).readings) == len(cases), "the good readings")
        wait_until(lambda: len(published(settings).rejected) == len(cases), "the rejects")
        assert service.stop() == 0
    kept = published(settings).rejected
    assert sorted((r.origin, r.original, r.reason) for r in kept) == sorted(cases)


def peak_megabytes(service: Service) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
