"""The HTTP gateway as a process: server, publisher and registry, from start to drain."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
from collections.abc import Generator

import uvicorn

from ingest.api_keys import KeyFile
from ingest.directory import Directory
from ingest.http_app import HttpApp
from ingest.http_protocol import BoundedProtocol
from ingest.publisher import Publisher
from runtime.health import HealthServer
from runtime.settings import Settings, SettingsError
from schemas.departments import load_departments
from schemas.kinds import load_kinds
from schemas.topics import load_topics, schema_store

log = logging.getLogger(__name__)

SERVE_EVERY_S = 0.003


class _Server(uvicorn.Server):
    """uvicorn ends by raising the signal again; this gateway drains afterwards and then exits with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises SettingsError, KeysError or KindError before it starts."""
    keys = open_keys(settings)
    kinds = load_kinds(*settings.kinds_dirs)
    topics = load_topics(kinds, load_departments(settings.departments_file))
    directory = Directory(settings, kinds)
    publisher = Publisher(settings, "http", kinds)
    app = HttpApp(settings, kinds, directory, publisher, keys, schema_store(topics))
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.alive("producer", publisher.fatal)
    health.ready("directory", directory.problem)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            http=BoundedProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_graceful_shutdown=int(settings.drain_s),
        )
    )
    health.ready("server", lambda: None if server.started and not server.should_exit else "not accepting requests")
    health.start()
    directory.start()
    try:
        with asyncio.Runner(loop_factory=_uvloop) as runner:
            runner.run(_serve(server, publisher, settings))
    finally:
        directory.stop()
        health.stop()


def open_keys(settings: Settings) -> KeyFile | None:
    """The keys; None, with a warning, where none are set and only this machine can connect. Raises SettingsError."""
    if settings.http_api_keys is not None:
        return KeyFile(settings.http_api_keys)
    if not _is_loopback(settings.http_host):
        raise SettingsError(
            f"RISKSTREAM_HTTP_API_KEYS is not set, and RISKSTREAM_HTTP_HOST is {settings.http_host!r}: "
            "without API keys only a loopback address such as 127.0.0.1 is allowed "
            "(`riskstream keys new NAME` makes a key)"
        )
    log.warning("no API keys are set: everyone on this machine may send readings")
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(server: _Server, publisher: Publisher, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    pump = asyncio.create_task(_pump(publisher, server))
    # without it nothing is ever acknowledged again: better an end and a restart
    pump.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve()
        if pump.done():
            pump.result()
    finally:
        pump.cancel()
        left = await asyncio.to_thread(publisher.drain, settings.drain_s)
        if left:
            log.warning("%d records were not acknowledged by Kafka; their senders were not told that they are", left)

    fatal = publisher.fatal()
    if fatal is not None:
        raise SystemExit(f"Kafka's producer cannot go on, start again: {fatal}")


async def _pump(publisher: Publisher, server: _Server) -> None:
    while True:
        publisher.serve()
        if publisher.fatal() is not None:
            server.should_exit = True
        await asyncio.sleep(SERVE_EVERY_S)
