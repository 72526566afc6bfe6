"""What the HTTP sender makes of each answer, on a server that follows a script."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from riskstream.devices.http import ARRAY, HttpTransport
from riskstream.devices.transport import Endpoints, TransportError


@pytest.fixture
def server():
    """A server with `script`: (status, headers, body) in turn, the last one for ever; `seen`: what came."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                http.seen.append((self.path, dict(self.headers), gzip.decompress(body)))
                status, headers, answer = http.script.pop(0) if len(http.script) > 1 else http.script[0]
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """Quiet."""

    lock = threading.Lock()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.seen, http.script = [], [(200, {}, {"accepted": 2, "rejected": []})]
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def transport(server, **options):
    url = f"http://127.0.0.1:{server.server_address[1]}"
    return HttpTransport(
        Endpoints(http_url=url, api_key="k"), connections=1, patience_s=options.pop("patience_s", 5), **options
    )


def two_readings(sender):
    for at in (1, 2):
        sender.put("rainfall", "R-1", [{"observed_at": at, "rain_mm": 0.1}], 1)
    sender.finish(10)
    return sender.counts


def test_posts_gzipped_ndjson_with_key_and_headers(server):
    counts = two_readings(transport(server, headers={"Riskstream-Mode": "history"}))
    ((path, headers, body),) = server.seen
    assert path == "/v1/readings/rainfall"
    assert headers["Authorization"] == "Bearer k"
    assert headers["Riskstream-Mode"] == "history"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in body.splitlines()] == [
        {"sensor_id": "R-1", "observed_at": 1, "rain_mm": 0.1},
        {"sensor_id": "R-1", "observed_at": 2, "rain_mm": 0.1},
    ]
    assert (counts.sent, counts.acknowledged, counts.unanswered, counts.messages) == (2, 2, 0, 1)
    assert counts.by_kind == {"rainfall": 2}


def test_arrays_and_posts_of_bounded_size(server):
    server.script = [(200, {}, {"accepted": 1, "rejected": []})]
    counts = two_readings(transport(server, form=ARRAY, post_readings=1))
    assert [json.loads(body)[0]["observed_at"] for _, _, body in server.seen] == [1, 2]
    assert (counts.messages, counts.unanswered) == (2, 0)


def test_rejected_readings_are_counted_by_reason(server):
    rejected = [{"index": 0, "sensor_id": "R-1", "reason": "out_of_range", "detail": "", "readings": 2}]
    server.script = [(200, {}, {"accepted": 0, "rejected": rejected})]
    counts = two_readings(transport(server))
    assert counts.rejected == {"out_of_range": 2}
    assert counts.unanswered == 0


def test_a_busy_gateway_is_asked_again_after_retry_after(server):
    busy = (503, {"Retry-After": "0"}, {"error": "kafka_away", "detail": "Kafka is away"})
    server.script = [busy, (429, {}, {}), *server.script]
    counts = two_readings(transport(server))
    assert (counts.acknowledged, counts.resent, counts.sent) == (2, 2, 2)
    assert len({body for _, _, body in server.seen}) == 1


def test_a_gateway_that_stays_away_ends_it_with_its_reason(server):
    server.script = [(503, {"Retry-After": "0"}, {"error": "kafka_away", "detail": "Kafka is away"})]
    with pytest.raises(TransportError, match=r"503 Kafka is away, tried for 0\.3 s"):
        two_readings(transport(server, patience_s=0.3))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_asking_again_cannot_mend_ends_it(server, status):
    server.script = [(status, {}, {"error": "x", "detail": "this API key is not known"})]
    with pytest.raises(TransportError, match=f"{status} this API key is not known"):
        two_readings(transport(server))


def test_a_body_refused_as_a_whole_is_counted(server):
    server.script = [(413, {}, {"error": "too_large", "detail": "too large"})]
    counts = two_readings(transport(server))
    assert counts.rejected == {"http_413": 2}


def test_nobody_there(server):
    endpoints = Endpoints(http_url="http://127.0.0.1:1")
    with pytest.raises(TransportError, match="ConnectionRefusedError"):
        two_readings(HttpTransport(endpoints, patience_s=0.2))
    with pytest.raises(TransportError, match="allowed: http://host:port"):
        HttpTransport(Endpoints(http_url="127.0.0.1:8080"))
