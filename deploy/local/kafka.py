"""Apache Kafka as one KRaft node (broker and controller), run from its Maven jars."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from deploy.local import paths
from deploy.local.part import Part
from deploy.local.ports import HOST, Ports

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# topics are made by `riskstream migrate` and by nothing else
auto.create.topics.enable=false

# one node: internal topics cannot have copies, and few partitions start faster
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# after a kill the broker may register again only when its old session has ended
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000

# a small heap on a small machine
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""

LOG4J = """\
status=warn
shutdownHook=disable
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.apis.name=kafka.request.logger
logger.apis.level=error
"""

# Replaced by the variables that Kafka's own scripts know. C1 alone and the serial collector start fastest and
# stay small; a benchmark of throughput wants others.
HEAP = ("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m")
JVM = ("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto")


class Kafka(Part):
    """One Kafka node on the loopback interface, its data below `folder`."""

    name = "kafka"
    stop_grace_s = 30.0

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder.resolve() / "kafka"
        self._ports = ports

    @property
    def port(self) -> int:
        return self._ports["kafka"]

    @property
    def _config(self) -> Path:
        return self._folder / "server.properties"

    def _java(self) -> list[str]:
        jars = paths.kafka_jars()
        options = " ".join(os.environ.get(name) or default for name, default in (HEAP, JVM))
        return [
            paths.java(),
            *options.split(),
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
            "-Dlog4j2.disableJmx=true",
            "-cp",
            f"{jars}/*",
        ]

    def prepare(self) -> None:
        data = self._folder / "data"
        for name in ("kafka", "kafka-controller"):
            self._ports.require_free(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.properties").write_text(LOG4J)
        self._config.write_text(
            CONFIG.format(host=HOST, port=self.port, controller_port=self._ports["kafka-controller"], data=data)
        )
        if (data / "meta.properties").is_file():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        argv = [*self._java(), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._config)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            raise RuntimeError(f"Kafka's storage in {data} could not be formatted: {text}")

    def command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", str(self._config)]

    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def offers(self) -> Mapping[str, str]:
        return {"RISKSTREAM_KAFKA_BOOTSTRAP": self.address()}

    def check(self) -> str | None:
        try:
            brokers, controller = kafka_metadata(self.port)
        except OSError as error:
            return f"no answer from Kafka at {self.address()}: {error}"
        except ValueError as error:
            return str(error)
        if not brokers:
            return "the Kafka broker is not registered yet"
        return None if controller >= 0 else "Kafka has no active controller"


def kafka_metadata(port: int, timeout_s: float = 3.0) -> tuple[list[int], int]:
    """Broker ids and controller id from a Metadata request (version 1, no topics).

    Raises OSError when nothing answers, ValueError when the answer is not Kafka's.
    Source: https://kafka.apache.org/protocol#The_Messages_Metadata
    """
    client = b"riskstream-check"
    request = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            head = stream.read(4)
            if len(head) < 4:
                raise OSError("the connection was closed")
            (length,) = struct.unpack(">i", head)
            if not 0 < length < 1_000_000:
                raise ValueError(f"port {port} does not speak Kafka's protocol")
            body = stream.read(length)
    try:
        _, count = struct.unpack_from(">ii", body, 0)
        at = 8
        brokers = []
        for _ in range(count):
            (node,) = struct.unpack_from(">i", body, at)
            (host_length,) = struct.unpack_from(">h", body, at + 4)
            (rack_length,) = struct.unpack_from(">h", body, at + 6 + host_length + 4)
            at += 12 + host_length + max(rack_length, 0)
            brokers.append(node)
        (controller,) = struct.unpack_from(">i", body, at)
    except struct.error as error:
        raise ValueError(f"port {port} gave a Kafka metadata answer that cannot be read") from error
    return brokers, controller
