"""The HTTP gateway as a process on the real Kafka: the contract of docs/http.md."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from ingest.api_keys import new_key
from runtime.kafka import topic_name
from runtime.settings import Settings
from schemas.batch import Mode, batch_schema
from schemas.levels import Level
from schemas.reasons import Reason
from schemas.records import Event
from schemas.wire import schema_id
from tests.integration.docs_examples import DOCS, DOCS_SENSORS, examples, run_example
from tests.integration.gateways import (
    KINDS,
    Service,
    http_environment,
    make_ready,
    published,
    register,
    running,
    settings_of,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

SENSORS = {"GP-0001": "gas_pressure", "GP-0002": "gas_pressure", "BS-0001": "bridge_strain", "RF-0001": "rainfall"}


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def settings(space: Space) -> Settings:
    settings = settings_of(space.environment)
    make_ready(settings, SENSORS | DOCS_SENSORS)
    return settings


@pytest.fixture
def gateway(settings: Settings, space: Space, tmp_path: Path) -> Iterator[Service]:
    with running("http-gateway", space.environment, tmp_path) as service:
        service.wait_ready()
        yield service


@pytest.fixture
def client(gateway: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.http_port}", timeout=30) as client:
        yield client


def test_every_form_is_in_kafka_when_it_is_acknowledged(client: httpx.Client, settings: Settings) -> None:
    at = now() - 5000
    one = {"sensor_id": "GP-0001", "observed_at": at, "pressure_kpa": 2.0}
    forms = [
        ("gas_pressure", json.dumps(one).encode(), {}, 1),
        ("gas_pressure", json.dumps([{**one, "observed_at": at + 1}, {**one, "sensor_id": "GP-0002"}]).encode(), {}, 2),
        (
            "gas_pressure",
            b'{"sensor_id":"GP-0001","observed_at":%d,"pressure_kpa":2}\n\n{"sensor_id":"GP-0002","observed_at":%d,"pressure_kpa":3}'
            % (at + 2, at + 2),
            {"Content-Type": "application/x-ndjson"},
            2,
        ),
        (
            "bridge_strain",
            json.dumps(
                {"sensor_id": "BS-0001", "observed_at": at, "sample_rate_hz": 100, "strain_ue": [1, 2, 3.5]}
            ).encode(),
            {},
            3,
        ),
        (
            "rainfall",
            json.dumps([{"bn": "urn:dev:mac:RF-0001:", "n": "rain_mm", "u": "mm", "v": 0.2, "t": at / 1000}]).encode(),
            {"Content-Type": "application/senml+json"},
            1,
        ),
        (
            "gas_pressure",
            gzip.compress(json.dumps({**one, "observed_at": at + 3}).encode()),
            {"Content-Encoding": "gzip"},
            1,
        ),
    ]
    sent = 0
    for kind, body, headers, count in forms:
        answer = client.post(
            f"/v1/readings/{kind}", content=body, headers={"Content-Type": "application/json", **headers}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"accepted": count, "rejected": []}
        sent += count
        assert len(published(settings).readings) == sent  # at once: it was there before the answer
    found = published(settings)
    assert ("BS-0001", at + 20, {"strain_ue": 3.5}) in found.readings
    assert ("RF-0001", at, {"rain_mm": 0.2}) in found.readings
    assert found.rejected == []
    assert {(batch.source, batch.mode) for batch in found.batches} == {("http", Mode.LIVE)}


def test_good_readings_are_taken_and_bad_ones_kept_with_their_reason(client: httpx.Client, settings: Settings) -> None:
    good = {"sensor_id": "GP-0001", "observed_at": now(), "pressure_kpa": 2.0}
    texts = [
        json.dumps(good),
        '{"sensor_id": "GP-9999",  "observed_at": 1750000000000, "pressure_kpa": 1}',
        '{"odd": 1}',
    ]
    answer = client.post("/v1/readings/gas_pressure", content="[" + ",".join(texts) + "]")
    assert answer.status_code == 200
    body = answer.json()
    assert body["accepted"] == 1
    assert [(r["index"], r["sensor_id"], r["reason"]) for r in body["rejected"]] == [
        (1, "GP-9999", "unknown_sensor"),
        (2, "", "missing_field"),
    ]
    kept = published(settings).rejected
    assert [(r.original, r.reason, r.origin, r.source) for r in kept] == [
        (texts[1].encode(), "unknown_sensor", "/v1/readings/gas_pressure", "http"),
        (texts[2].encode(), "missing_field", "/v1/readings/gas_pressure", "http"),
    ]


def test_mode_run_and_lateness_are_carried(client: httpx.Client, settings: Settings) -> None:
    old = {"sensor_id": "GP-0001", "observed_at": "2020-01-01T00:00:00+08:00", "pressure_kpa": 2.0}
    headers = {"Riskstream-Mode": "history", "Riskstream-Run-Id": "run-7"}
    assert client.post("/v1/readings/gas_pressure", json=old, headers=headers).json()["accepted"] == 1
    (batch,) = published(settings).batches
    assert (batch.mode, batch.run_id, batch.late.tolist()) == (Mode.HISTORY, "run-7", [True])
    assert batch.observed_at.tolist() == [1577808000000]


def test_a_new_registry_version_counts_at_once(client: httpx.Client, settings: Settings) -> None:
    reading = {"sensor_id": "GP-0003", "observed_at": now(), "pressure_kpa": 2.0}
    assert client.post("/v1/readings/gas_pressure", json=reading).json()["rejected"][0]["reason"] == "unknown_sensor"
    register(settings, {"GP-0003": "gas_pressure"})
    wait_until(lambda: client.post("/v1/readings/gas_pressure", json=reading).json()["accepted"] == 1, "registration")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "error"),
    [
        ("GET", "/v1/readings/gas_pressure", {}, 405, "method_not_allowed"),
        ("POST", "/v1/readings/tank_temperature", {}, 404, "unknown_kind"),
        ("POST", "/v1/nothing", {}, 404, "not_found"),
        ("POST", "/v1/readings/gas_pressure", {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
        ("POST", "/v1/readings/gas_pressure", {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
        ("POST", "/v1/readings/gas_pressure", {"Riskstream-Mode": "drill"}, 400, "bad_header"),
        ("POST", "/v1/readings/gas_pressure", {"Riskstream-Run-Id": "a b"}, 400, "bad_header"),
    ],
)
def test_refusals_say_what_is_allowed(
    client: httpx.Client, method: str, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["detail"]


def test_kinds_and_schemas_are_served(client: httpx.Client) -> None:
    kinds = {kind["name"]: kind for kind in client.get("/v1/kinds").json()}
    assert kinds.keys() == KINDS.keys()
    assert kinds["rainfall"]["fields"][0]["unit"] == "mm"
    number = schema_id(batch_schema(KINDS["rainfall"]))
    served = json.loads(client.get(f"/schemas/ids/{number}").json()["schema"])
    assert schema_id(served) == number
    assert "readings.rainfall-value" in client.get("/subjects").json()
    latest = client.get("/subjects/readings.rainfall-value/versions/latest").json()
    assert (latest["id"], latest["version"]) == (number, 1)
    assert client.get("/subjects/readings.rainfall-value/versions").json() == [1]
    assert client.get("/schemas/types").json() == ["AVRO"]
    assert client.get("/schemas/ids/1").status_code == 404
    assert client.get("/subjects/none/versions/latest").status_code == 404


def test_api_keys_name_the_client_bound_it_and_are_read_again(settings: Settings, space: Space, tmp_path: Path) -> None:
    key, line = new_key("gasworks", frozenset({"gas_pressure"}))
    other, other_line = new_key("everything")
    file = tmp_path / "keys"
    file.write_text(line + "\n")
    reading = {"sensor_id": "GP-0001", "observed_at": now()}
    environment = http_environment(space, HTTP_API_KEYS=str(file))
    with running("http-gateway", environment, tmp_path) as service:
        service.wait_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:

            def post(kind: str, token: str | None) -> httpx.Response:
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                return client.post(f"/v1/readings/{kind}", json=reading, headers=headers)

            assert post("gas_pressure", None).status_code == 401
            assert post("gas_pressure", "rs_wrong").headers["www-authenticate"].startswith("Bearer")
            assert post("gas_pressure", key).status_code == 200
            assert post("rainfall", key).status_code == 403
            file.write_text(other_line + "\n")
            wait_until(lambda: post("gas_pressure", key).status_code == 401, "the revoked key is refused")
            assert post("rainfall", other).status_code == 200
            file.write_text("broken\n")
            wait_until(lambda: "stay in force" in service.log.read_text() or not post("rainfall", other), "a log line")
            assert post("rainfall", other).status_code == 200
    assert {r.client for r in published(settings).rejected} == {"gasworks", "everything"}


def test_without_keys_only_loopback_is_served(settings: Settings, space: Space, tmp_path: Path) -> None:
    with running("http-gateway", http_environment(space, HTTP_HOST="0.0.0.0"), tmp_path) as service:
        assert service.process.wait(30) == 2
        assert "RISKSTREAM_HTTP_API_KEYS is not set" in service.log.read_text()


def test_kafka_away_is_503_with_retry_after(settings: Settings, space: Space, tmp_path: Path) -> None:
    environment = http_environment(space, KAFKA_BOOTSTRAP="127.0.0.1:9")
    with running("http-gateway", environment, tmp_path) as service:
        wait_until(lambda: service.health("/healthz")[0] == 200, "alive")
        assert service.health("/readyz")[0] == 503
        with httpx.Client(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
            wait_until(lambda: "Kafka cannot be reached" in service.health("/readyz")[1], "the reason")
            answer = client.post("/v1/readings/gas_pressure", json={})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
        assert service.stop() == 0


def test_a_client_over_its_share_gets_429(settings: Settings, space: Space, tmp_path: Path) -> None:
    environment = http_environment(space, HTTP_CLIENT_IN_FLIGHT_BYTES="200000", LINGER_MS="50")
    body = json.dumps([{"sensor_id": "GP-0001", "observed_at": now() - i, "pressure_kpa": 2.0} for i in range(1500)])
    with running("http-gateway", environment, tmp_path) as service:
        service.wait_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:

            def post(_: int) -> httpx.Response:
                return client.post("/v1/readings/gas_pressure", content=body)

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(post, range(16)))
            statuses = {answer.status_code for answer in answers}
            assert statuses == {200, 429}
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert refused.headers["retry-after"] == "1"
            assert post(0).status_code == 200
        taken = sum(answer.status_code == 200 for answer in answers) + 1
    assert len(published(settings).readings) == 1500 * taken


def test_sigterm_drains_what_was_taken(settings: Settings, space: Space, tmp_path: Path) -> None:
    """Requests in flight at SIGTERM are answered, and what was answered with 200 is in Kafka."""
    body = json.dumps([{"sensor_id": "GP-0001", "observed_at": now() - i, "pressure_kpa": 2.0} for i in range(500)])
    with running("http-gateway", http_environment(space, LINGER_MS="50"), tmp_path) as service:
        service.wait_ready()

        def post(_: int) -> int:
            count = 0
            with httpx.Client(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
                while True:
                    try:
                        answer = client.post("/v1/readings/gas_pressure", content=body)
                    except httpx.TransportError:
                        return count
                    if answer.status_code != 200:
                        return count
                    count += answer.json()["accepted"]
                    if count == 2500:
                        os.kill(service.process.pid, signal.SIGTERM)

        with ThreadPoolExecutor(4) as pool:
            acknowledged = sum(pool.map(post, range(4)))
        assert service.process.wait(30) == 0
    assert acknowledged >= 2500
    assert len(published(settings).readings) >= acknowledged


def test_the_examples_of_the_docs(settings: Settings, space: Space, tmp_path: Path) -> None:
    key, line = new_key("docs")
    file = tmp_path / "keys"
    file.write_text(line)
    with running("http-gateway", http_environment(space, HTTP_API_KEYS=str(file)), tmp_path) as service:
        service.wait_ready()
        environment = {"URL": f"http://127.0.0.1:{service.http_port}", "KEY": key}
        pages = examples("http.md")
        assert len(pages) == 8
        for command, said in pages:
            assert run_example(command, environment).strip() == said.strip()


def test_events_from_outside_are_in_kafka_when_the_answer_comes(
    space: Space, settings: Settings, tmp_path: Path
) -> None:
    readings_key, readings_line = new_key("rain-gauges", frozenset({"rainfall"}))
    events_key, events_line = new_key("weather", frozenset({"events"}))
    file = tmp_path / "keys.txt"
    file.write_text(f"{readings_line}\n{events_line}\n", encoding="utf-8")
    at = now()
    storm = {
        "event_id": "w-1",
        "type": "rainstorm",
        "level": "red",
        "zone": "city",
        "valid_until": at + 60_000,
        "source": "w",
    }
    with running("http-gateway", http_environment(space, HTTP_API_KEYS=str(file)), tmp_path) as service:
        service.wait_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
            refused = client.post("/v1/events", json=storm, headers={"Authorization": f"Bearer {readings_key}"})
            assert refused.status_code == 403
            head = {"Authorization": f"Bearer {events_key}"}
            assert client.get("/v1/events", headers=head).status_code == 405
            assert client.post("/v1/events", content=b"{", headers=head).status_code == 400
            answer = client.post(
                "/v1/events", json=storm, headers={**head, "Riskstream-Mode": "exercise", "Riskstream-Run-Id": "r"}
            )
            assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    ((key, value),) = whole_topic(settings, "events")
    event = Event.decode(value)
    assert (key, event.event_id, event.level, event.zone) == (b"w-1", "w-1", Level.RED, "city")
    assert (event.mode, event.run_id, event.valid_until) == ("exercise", "r", at + 60_000)
    assert at - 1000 <= event.valid_from == event.received_at <= now()


def whole_topic(settings: Settings, name: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of a topic of one partition."""
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": "unused"})
    try:
        place = TopicPartition(topic_name(settings, name), 0)
        _, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([TopicPartition(place.topic, 0, 0)])
        found = []
        while len(found) < end:
            found += [(one.key(), one.value()) for one in consumer.consume(100, timeout=0.2)]
        return found
    finally:
        consumer.close()


def test_the_docs_list_every_reason() -> None:
    text = (DOCS / "http.md").read_text(encoding="utf-8")
    assert [row for reason in Reason if (row := f"| `{reason.value}` | {reason.doc} |") not in text] == []
