"""The health server answers from the checks."""

import urllib.error
import urllib.request

from runtime.health import HealthServer


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_ready_and_metrics() -> None:
    why: list[str | None] = [None]
    server = HealthServer("127.0.0.1", 0)
    server.ready("kafka", lambda: why[0])
    server.start()
    try:
        assert get(server, "/healthz") == (200, "ok\n")
        assert get(server, "/readyz?verbose") == (200, "ok\n")
        why[0] = "broker away"
        assert get(server, "/readyz") == (503, "kafka: broker away\n")
        assert get(server, "/healthz")[0] == 200
        assert "# HELP python_info" in get(server, "/metrics")[1]
        assert get(server, "/")[0] == 404
    finally:
        server.stop()
