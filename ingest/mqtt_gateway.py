"""The MQTT gateway as a process: its sessions, publisher and registry in one loop, from start to drain."""

from __future__ import annotations

import logging
import selectors
import signal
import threading
import time

from ingest.directory import Directory
from ingest.mqtt_intake import MqttIntake, NotReadyError
from ingest.mqtt_session import MqttSession
from ingest.publisher import Publisher
from runtime import metrics
from runtime.health import HealthServer
from runtime.settings import Settings
from schemas.kinds import load_kinds

log = logging.getLogger(__name__)

_BUSY_S = 0.002
_QUIET_S = 0.05
_KEEP_EVERY_S = 1.0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises KindError before it starts."""
    kinds = load_kinds(*settings.kinds_dirs)
    directory = Directory(settings, kinds)
    publisher = Publisher(settings, "mqtt", kinds)
    gateway = MqttGateway(settings, directory, publisher, MqttIntake(settings, kinds, directory, publisher))
    health = HealthServer(settings.metrics_host, settings.metrics_port)
    health.alive("producer", publisher.fatal)
    health.alive("loop", gateway.stuck)
    health.ready("directory", directory.problem)
    health.ready("mqtt", gateway.problem)
    health.start()
    directory.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: gateway.stop())
    try:
        gateway.run()
    finally:
        directory.stop()
        health.stop()
    fatal = publisher.fatal()
    if fatal is not None:
        raise SystemExit(f"Kafka's producer cannot go on, start again: {fatal}")


class MqttGateway:
    """The loop. Messages are read only while Kafka keeps up: what waits is bounded by `in_flight_bytes`."""

    def __init__(self, settings: Settings, directory: Directory, publisher: Publisher, intake: MqttIntake) -> None:
        self._settings = settings
        self._directory = directory
        self._publisher = publisher
        self._intake = intake
        self._sessions = [MqttSession(settings, number) for number in range(settings.mqtt_sessions)]
        self._stopping = threading.Event()
        self._last_turn = time.monotonic()

    def stop(self) -> None:
        """Ask the loop to drain and end; may be called from a signal handler."""
        self._stopping.set()

    def problem(self) -> str | None:
        """Why it cannot take messages now; None if every session is subscribed."""
        if self._stopping.is_set():
            return "stopping"
        away = [session.client_id for session in self._sessions if not session.subscribed]
        return f"not connected to the broker: {', '.join(away)}" if away else None

    def stuck(self) -> str | None:
        """For /healthz: does the loop still turn?"""
        since = time.monotonic() - self._last_turn
        return f"the loop has not turned for {since:.0f} s" if since > 60 else None

    def run(self) -> None:
        """Serve until `stop`, then drain within the grace period."""
        keep_at = 0.0
        while not self._stopping.is_set() and self._publisher.fatal() is None:
            self._last_turn = time.monotonic()
            if self._directory.problem() is None:
                for session in self._sessions:
                    session.connect_if_due()
            if self._last_turn >= keep_at:
                keep_at = self._last_turn + _KEEP_EVERY_S
                for session in self._sessions:
                    session.keep()
                metrics.INGEST_MQTT_SESSIONS.set(sum(session.subscribed for session in self._sessions))
            for session in self._readable():
                self._read(session)
            self._settle()
        self._drain()

    def _readable(self) -> list[MqttSession]:
        busy = not self._publisher.idle or any(session.waiting for session in self._sessions)
        with selectors.DefaultSelector() as selector:
            if self._publisher.in_flight_bytes < self._settings.in_flight_bytes:
                for session in self._sessions:
                    if session.socket is not None:
                        selector.register(session.socket, selectors.EVENT_READ, session)
            if not selector.get_map():
                self._stopping.wait(_BUSY_S if busy else _QUIET_S)
                return []
            return [key.data for key, _ in selector.select(_BUSY_S if busy else _QUIET_S)]

    def _read(self, session: MqttSession) -> None:
        messages = session.read()
        if not messages:
            return
        ticket = session.open_ticket(messages)
        try:
            self._intake.take(messages, ticket)
        except NotReadyError as error:
            session.drop(str(error), "not_ready")

    def _settle(self) -> None:
        self._publisher.serve()
        for session in self._sessions:
            session.acknowledge()
            session.write()

    def _drain(self) -> None:
        """No more reading; everything that was read goes to Kafka and is acknowledged, or is sent again later."""
        deadline = time.monotonic() + self._settings.drain_s
        self._publisher.flush()
        while any(session.waiting for session in self._sessions) and time.monotonic() < deadline:
            self._settle()
            time.sleep(_BUSY_S)
        self._settle()
        left = self._publisher.drain(max(0.0, deadline - time.monotonic()))
        if left:
            log.warning("%d records were not acknowledged by Kafka; the broker sends their messages again", left)
        for session in self._sessions:
            session.write()
            session.close()
