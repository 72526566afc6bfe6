"""The ClickHouse client that everything in Riskstream uses: the native protocol through clickhouse-driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clickhouse_driver import Client
from clickhouse_driver.block import BlockInfo
from clickhouse_driver.errors import Error, NetworkError, ServerException, SocketTimeoutError
from clickhouse_driver.protocol import ClientPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str

from .native import ColumnData, encode_column

if TYPE_CHECKING:
    from runtime.settings import Settings

__all__ = ["ClickHouseAwayError", "ClickHouseRefusedError", "ColumnClient", "connect", "insert", "query"]

# server codes after which the same request can succeed later: too many queries or parts, memory, timeouts, shutdown,
# no quorum, read-only replica
_PASSING = {159, 164, 202, 209, 210, 236, 241, 242, 252, 254, 285, 286, 289, 319, 394, 425, 473, 999}


class ClickHouseAwayError(Exception):
    """ClickHouse cannot be reached, or says that it cannot serve now; the same request may succeed later."""


class ClickHouseRefusedError(Exception):
    """ClickHouse refused the request; repeating it does not help. `code` is ClickHouse's error code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ColumnClient(Client):  # type: ignore[misc]
    """A client whose inserts take whole columns (`Columns`) and encode them with `sinks.native`."""

    def send_data(self, sample_block: Any, data: Any, types_check: bool = False, columnar: bool = False) -> int:
        connection = self.connection
        columns: Mapping[str, ColumnData] = data[0]
        stream = connection.block_out
        rows = len(next(iter(columns.values())))
        write_varint(ClientPacketTypes.DATA, connection.fout)
        write_binary_str("", connection.fout)  # not a temporary table
        BlockInfo().write(stream.fout)
        write_varint(len(columns), stream.fout)
        write_varint(rows, stream.fout)
        for name, spec in sample_block.columns_with_types:
            data = columns[name]
            if len(data) != rows:
                raise ValueError(f"column {name} has {len(data)} rows, the first has {rows}")
            write_binary_str(name, stream.fout)
            write_binary_str(spec, stream.fout)
            stream.fout.write(b"\0")  # the type's default serialization
            for part in encode_column(spec, data):
                stream.fout.write(part)
        stream.finalize()
        self.receive_profile_events()
        connection.send_data(type(sample_block)())  # an empty block ends the data
        self.receive_profile_events()
        return rows


def connect(
    settings: Settings, *, database: str | None = None, timeout_s: float = 10, compression: bool = False
) -> ColumnClient:
    """A client; it connects with its first query. One client serves one thread."""
    return ColumnClient(
        settings.clickhouse_host,
        port=settings.clickhouse_port,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        database=settings.clickhouse_database if database is None else database,
        connect_timeout=timeout_s,
        send_receive_timeout=max(timeout_s, 30),
        compression="lz4" if compression else False,
        client_name="riskstream",
    )


def query(
    client: Client, sql: str, parameters: Mapping[str, Any] | None = None, **settings: Any
) -> list[tuple[Any, ...]]:
    """The rows of a query; `{name:Type}` in it are filled by the server from `parameters`.

    Raises `ClickHouseAwayError`, `ClickHouseRefusedError`.
    """
    client_settings = {"server_side_params": True} if parameters else {}
    try:
        result = client.execute(sql, dict(parameters) if parameters else None, settings={**settings, **client_settings})
    except (Error, OSError, EOFError) as error:
        raise explain(error) from error
    return result if isinstance(result, list) else []


def insert(client: ColumnClient, table: str, columns: Mapping[str, ColumnData], token: str) -> int:
    """Insert the columns as one block and return its rows.

    A block with the same token is stored once. All rows must lie in one ClickHouse partition: a block is whole or
    absent only within one. Raises `ClickHouseAwayError` (nothing is known about the block: insert it again with the
    same token) or `ClickHouseRefusedError`.
    """
    names = ", ".join(f"`{name}`" for name in columns)
    settings = {
        "insert_deduplicate": 1,
        "insert_deduplication_token": token,
        "async_insert": 0,
        "max_partitions_per_insert_block": 1,
    }
    try:
        rows: int = client.execute(
            f"INSERT INTO `{table}` ({names}) VALUES", [columns], columnar=True, settings=settings
        )
    except (Error, OSError, EOFError) as error:
        raise explain(error) from error
    return rows


def explain(error: Exception) -> ClickHouseAwayError | ClickHouseRefusedError:
    """The driver's exception as one of the two errors of this module, with ClickHouse's own words in one line."""
    if isinstance(error, ServerException):
        text = (error.message or "").removeprefix("DB::Exception: ").split("Stack trace:")[0].strip().rstrip(".")
        if error.code in _PASSING and not text.startswith("Too many partitions for single INSERT"):
            return ClickHouseAwayError(f"ClickHouse cannot serve now (code {error.code}): {text}")
        return ClickHouseRefusedError(text, error.code)
    if isinstance(error, NetworkError | SocketTimeoutError | OSError | EOFError):
        return ClickHouseAwayError(f"ClickHouse is not reachable: {error.args[-1] if error.args else error}")
    return ClickHouseRefusedError(str(error), 0)
