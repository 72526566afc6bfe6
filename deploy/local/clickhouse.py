"""The ClickHouse engine, which serves its native and HTTP protocols from a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from deploy.local import paths
from deploy.local.part import Part
from deploy.local.ports import HOST, Ports

CONFIG = """\
<clickhouse>
  <logger>
    <log>{log}</log>
    <errorlog>{log}.errors</errorlog>
    <size>20M</size>
    <count>2</count>
  </logger>
  <timezone>UTC</timezone>
  <max_server_memory_usage_to_ram_ratio>0.6</max_server_memory_usage_to_ram_ratio>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </default>
  </users>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
</clickhouse>
"""

# The engine ends when its query ends and ignores SIGTERM, so it is given a query that sleeps for ever, and is
# ended by killing that query.
SLEEPER = "sleepEachRow"
KILL = f"KILL QUERY WHERE query LIKE '%{SLEEPER}%' AND query NOT LIKE 'KILL%'"


class ClickHouse(Part):
    """One ClickHouse engine on the loopback interface, its data below `folder`."""

    name = "clickhouse"
    start_timeout_s = 60.0

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder.resolve() / "clickhouse"
        self._log = folder.resolve() / "logs" / "clickhouse-engine.log"
        self._ports = ports

    @property
    def port(self) -> int:
        return self._ports["clickhouse"]

    @property
    def http_port(self) -> int:
        return self._ports["clickhouse-http"]

    def prepare(self) -> None:
        for name in ("clickhouse", "clickhouse-http"):
            self._ports.require_free(name)
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        (self._folder / "config.xml").write_text(CONFIG.format(log=escape(str(self._log))))

    def command(self) -> list[str]:
        engine = Path(__file__).with_name("clickhouse_engine.py")
        return [
            sys.executable,
            str(engine),
            str(paths.clickhouse_library()),
            f"--path={self._folder / 'data'}",
            f"--config-file={self._folder / 'config.xml'}",
            f"--listen_host={HOST}",
            f"--tcp_port={self.port}",
            f"--http_port={self.http_port}",
            "--log-level=error",  # its warnings are about the pacing of its own background tasks
        ]

    def address(self) -> str:
        return f"{HOST}:{self.port}, http://{HOST}:{self.http_port}"

    def offers(self) -> Mapping[str, str]:
        return {
            "RISKSTREAM_CLICKHOUSE_HOST": HOST,
            "RISKSTREAM_CLICKHOUSE_PORT": str(self.port),
            "RISKSTREAM_CLICKHOUSE_HTTP_PORT": str(self.http_port),
        }

    def check(self) -> str | None:
        try:
            if (answer := self.query("SELECT 1")) != "1":
                return f"SELECT 1 over HTTP answered {answer!r}"
            return native_select_1(self.port)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer from ClickHouse at {self.address()}: {error}"

    def query(self, sql: str, timeout_s: float = 5.0) -> str:
        """The answer to one query over HTTP. Raises OSError, http.client.HTTPException."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=timeout_s)
        try:
            connection.request("POST", "/", body=sql.encode())
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
        finally:
            connection.close()
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status}: {text}")
        return text

    def request_stop(self, pid: int) -> None:
        try:
            self.query(KILL)
        except (OSError, http.client.HTTPException):
            os.kill(pid, signal.SIGKILL)  # it answers nothing, and no gentler signal ends it


def native_select_1(port: int) -> str | None:
    """SELECT 1 over the native protocol; None, or what is wrong."""
    from clickhouse_driver import Client, errors

    client = Client(HOST, port=port, connect_timeout=3, send_receive_timeout=5, sync_request_timeout=3)
    try:
        rows = client.execute("SELECT 1")
    except (errors.Error, OSError, EOFError) as error:
        return f"no answer from ClickHouse's native port {port}: {error}"
    finally:
        client.disconnect()
    return None if rows == [(1,)] else f"SELECT 1 over the native port answered {rows!r}"
