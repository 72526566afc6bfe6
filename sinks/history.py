"""The log as ClickHouse holds it: readings and control records of a partition in log order, and every registry."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.settings import Settings
from schemas.batch import Batch, Mode, empty_batch
from schemas.kinds import Kind
from schemas.log import LogRecord
from schemas.registry import EMPTY, Asset, Sensor, Snapshot
from schemas.rule_versions import Modes, RuleFiles, ZoneMode
from sinks.clickhouse import ClickHouseAwayError, ClickHouseRefusedError, connect, query
from sinks.rows.control import TABLE as CONTROL_TABLE

_TIMEOUT_S = 600
_SORT_MEMORY_BYTES = 1_000_000_000
_MODES = tuple(Mode)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_IN_ZONE = (
    "sensor_id IN (SELECT sensor_id FROM registry_sensors WHERE zone = {zone:String} "
    "OR startsWith(zone, concat({zone:String}, '/')))"
)


class HistoryError(ValueError):
    """ClickHouse does not hold what a replay needs; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A partition of a kind's log: `rows` readings lie in the chosen time."""

    kind: str
    generation: str
    partition: int
    rows: int


@dataclass(frozen=True, slots=True)
class Span:
    """What to read: records whose log time lies in [`since`, `until`) (ms UTC), of sensors in `zone` or below it.

    With a zone the log times of the other sensors' records are not seen.
    """

    since: int
    until: int
    zone: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        named = {"since": self.since, "until": self.until}
        return {**named, "zone": self.zone} if self.zone else named

    @property
    def condition(self) -> str:
        return f"{self.in_time} AND {_IN_ZONE}" if self.zone else self.in_time

    @property
    def in_time(self) -> str:
        return (
            "log_time >= fromUnixTimestamp64Milli({since:Int64}) AND log_time < fromUnixTimestamp64Milli({until:Int64})"
        )


class History:
    """Reads the log of a database. All methods raise `ClickHouseAwayError`, `ClickHouseRefusedError`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._registries: dict[int, Snapshot] | None = None

    def close(self) -> None:
        self._client.disconnect()

    def parts(self, kinds: Mapping[str, Kind], span: Span) -> list[Part]:
        """The partitions that have records in the span; of a topic that was made anew only the newest generation."""
        found = []
        for kind in kinds.values():
            sql = (
                f"SELECT log_generation, log_partition, sum(n), max(newest) FROM ("
                f"SELECT log_generation, log_partition, count() AS n, max(log_time) AS newest FROM {kind.table} "
                f"WHERE {span.condition} GROUP BY ALL UNION ALL "
                f"SELECT log_generation, log_partition, 0 AS n, max(log_time) AS newest FROM {CONTROL_TABLE} "
                f"WHERE kind = {{kind:String}} AND {span.in_time} GROUP BY ALL) GROUP BY ALL"
            )
            rows = query(self._client, sql, {**span.parameters, "kind": kind.name})
            newest = max(((last, generation) for generation, _, _, last in rows), default=(None, ""))[1]
            found += [
                Part(kind.name, generation, number, n) for generation, number, n, _ in rows if generation == newest
            ]
        return sorted(found, key=lambda part: (part.kind, part.partition))

    def records(self, kind: Kind, part: Part, span: Span) -> Iterator[LogRecord]:
        """The records of one partition in log order: batches as they stood in the log, and control records."""
        controls = self._controls(kind, part, span)
        waiting = next(controls, None)
        for record in self._batches(kind, part, span):
            while waiting is not None and waiting.offset < record.offset:
                yield waiting
                waiting = next(controls, None)
            yield record
        while waiting is not None:
            yield waiting
            waiting = next(controls, None)

    def registry(self, version: int) -> Snapshot:
        """The registry at a version, or at the next newer one. Raises `HistoryError` if there is none."""
        if self._registries is None:
            self._registries = self._load_registries()
        newer = [number for number in self._registries if number >= version]
        if not newer:
            raise HistoryError(f"ClickHouse has no registry version {version}; newest: {max(self._registries)}")
        return self._registries[min(newer)]

    def newest_registry(self) -> Snapshot:
        """The newest whole version; the empty one before the first import."""
        if self._registries is None:
            self._registries = self._load_registries()
        return self._registries[max(self._registries)]

    def rules(self) -> dict[int, RuleFiles]:
        """Every version of the rules that was applied."""
        rows = query(
            self._client,
            "SELECT version, author, reason, toUnixTimestamp64Milli(applied_at), files FROM rule_versions",
        )
        return {row[0]: RuleFiles(*row) for row in rows}

    def modes(self) -> dict[int, Modes]:
        """Every version of the modes that was declared."""
        rows = query(
            self._client,
            "SELECT version, author, reason, toUnixTimestamp64Milli(applied_at), zones, modes, "
            "arrayMap(at -> toUnixTimestamp64Milli(at), untils) FROM mode_versions",
        )
        return {
            version: Modes(version, author, reason, at, tuple(map(ZoneMode, zones, modes, untils)))
            for version, author, reason, at, zones, modes, untils in rows
        }

    def _controls(self, kind: Kind, part: Part, span: Span) -> Iterator[LogRecord]:
        rows = query(
            self._client,
            f"SELECT control, registry_version, toUnixTimestamp64Milli(log_time), log_offset FROM {CONTROL_TABLE} "
            f"WHERE kind = {{kind:String}} AND log_generation = {{generation:String}} "
            f"AND log_partition = {{partition:UInt32}} AND {span.in_time} ORDER BY log_offset",
            {"since": span.since, "until": span.until, "kind": kind.name, "generation": part.generation,
             "partition": part.partition},
        )  # fmt: skip
        for control, registry_version, log_time, offset in rows:
            batch = empty_batch(kind, "", "", log_time, registry_version)
            yield LogRecord(kind.name, part.partition, offset, log_time, batch, control)

    def _batches(self, kind: Kind, part: Part, span: Span) -> Iterator[LogRecord]:
        fields = ", ".join(f"`{field.name}`" for field in kind.fields)
        sql = (
            f"SELECT sensor_id, toUnixTimestamp64Milli(observed_at) AS at, {fields}, late, "
            f"toInt8(mode) AS mode_number, run_id, gateway, source, toUnixTimestamp64Milli(received_at) AS received, "
            f"registry_version, toUnixTimestamp64Milli(log_time) AS logged, log_offset, log_index FROM {kind.table} "
            f"WHERE log_generation = {{generation:String}} AND log_partition = {{partition:UInt32}} "
            f"AND {span.condition} ORDER BY log_offset, log_index"
        )
        parameters = {**span.parameters, "generation": part.generation, "partition": part.partition}
        rest: pa.Table | None = None
        for block in self._stream(sql, parameters):
            table = pa.Table.from_batches([block])
            if rest is not None:
                table = pa.concat_tables([rest, table]).unify_dictionaries()
            offsets = table.column("log_offset").to_numpy()
            # the last record of a block may go on in the next
            whole = int(np.searchsorted(offsets, offsets[-1], side="left"))
            yield from _records(kind, part, table.slice(0, whole))
            rest = table.slice(whole)
        if rest is not None:
            yield from _records(kind, part, rest)

    def _stream(self, sql: str, parameters: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        """The blocks of a query's result, as they come."""
        settings = self._settings
        where = f"ClickHouse at {settings.clickhouse_host}:{settings.clickhouse_http_port}"
        options = {
            "database": settings.clickhouse_database,
            "default_format": "ArrowStream",
            "output_format_arrow_low_cardinality_as_dictionary": "1",
            "output_format_arrow_string_as_string": "1",
            "max_bytes_before_external_sort": str(_SORT_MEMORY_BYTES),
            **{f"param_{name}": str(value) for name, value in parameters.items()},
        }
        login = f"{settings.clickhouse_user}:{settings.clickhouse_password.get_secret_value()}"
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        connection = http.client.HTTPConnection(
            settings.clickhouse_host, settings.clickhouse_http_port, timeout=_TIMEOUT_S
        )
        try:
            connection.request("POST", f"/?{urlencode(options)}", sql.encode(), headers)
            response = connection.getresponse()
            if response.status != 200:
                text = response.read().decode(errors="replace").strip()
                raise ClickHouseRefusedError(
                    f"{where}: {text}", int(response.getheader("X-ClickHouse-Exception-Code") or 0)
                )
            with pa.ipc.open_stream(response) as stream:
                for block in stream:
                    if len(block):
                        yield block
        except (OSError, http.client.HTTPException, pa.ArrowException) as error:
            raise ClickHouseAwayError(f"{where}: the history was not read to its end: {error}") from error
        finally:
            connection.close()

    def _load_registries(self) -> dict[int, Snapshot]:
        versions = [
            number for (number,) in query(self._client, "SELECT version FROM registry_versions ORDER BY version")
        ]
        whole = "import_id IN (SELECT import_id FROM registry_versions)"
        sensors = query(
            self._client,
            f"SELECT version, deleted, sensor_id, kind, name, zone, department, lat, lon, asset_id, profile, "
            f"attributes FROM registry_sensors WHERE {whole} ORDER BY version",
        )
        assets = query(
            self._client,
            f"SELECT version, deleted, asset_id, type, name, zone, owner, lead_department, geometry_wkt, risk_grade, "
            f"risk_point FROM registry_assets WHERE {whole} ORDER BY version",
        )
        found = {EMPTY.version: EMPTY}
        all_sensors: dict[str, Sensor] = {}
        all_assets: dict[str, Asset] = {}
        at = [0, 0]
        for version in versions:
            while at[0] < len(sensors) and sensors[at[0]][0] <= version:
                _, deleted, sensor_id, kind, name, zone, department, lat, lon, asset_id, profile, texts = sensors[at[0]]
                attributes = _attributes(texts)
                sensor = Sensor(sensor_id, kind, name, zone, department, lat, lon, asset_id, profile, attributes)
                all_sensors.pop(sensor.sensor_id, None)
                if not deleted:
                    all_sensors[sensor.sensor_id] = sensor
                at[0] += 1
            while at[1] < len(assets) and assets[at[1]][0] <= version:
                _, deleted, *columns = assets[at[1]]
                asset = Asset(*columns)
                all_assets.pop(asset.asset_id, None)
                if not deleted:
                    all_assets[asset.asset_id] = asset
                at[1] += 1
            found[version] = Snapshot(version, dict(all_sensors), dict(all_assets))
        return found


def _attributes(texts: Mapping[str, str]) -> dict[str, float | str]:
    """Numbers where the text is one, as they are in the registry's topic."""
    return {name: float(text) if _NUMBER.fullmatch(text) else text for name, text in texts.items()}


def _records(kind: Kind, part: Part, table: pa.Table) -> Iterator[LogRecord]:
    if not len(table):
        return
    table = table.combine_chunks()

    def numbers(name: str, dtype: Any) -> NDArray[Any]:
        return np.asarray(table.column(name).to_numpy(), dtype)

    def texts(name: str) -> tuple[NDArray[Any], list[str]]:
        column = table.column(name).chunk(0)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        return column.indices.to_numpy(zero_copy_only=False), column.dictionary.to_pylist()

    offsets = numbers("log_offset", np.int64)
    starts = np.flatnonzero(np.append(True, offsets[1:] != offsets[:-1]))
    ends = np.append(starts[1:], len(offsets))
    sensors, names = texts("sensor_id")
    run, runs = texts("run_id")
    gateway, gateways = texts("gateway")
    source, sources = texts("source")
    at, index = numbers("at", np.int64), numbers("log_index", np.int64)
    late = table.column("late").cast(pa.bool_()).to_numpy()
    mode, received = numbers("mode_number", np.int8), numbers("received", np.int64)
    logged, version = numbers("logged", np.int64), numbers("registry_version", np.int64)
    values = {field.name: numbers(field.name, np.float64) for field in kind.fields}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        rows = slice(start, end)
        own, sensor = np.unique(sensors[rows], return_inverse=True)
        batch = Batch(
            kind.name, gateways[gateway[start]], sources[source[start]], _MODES[mode[start]], runs[run[start]],
            int(received[start]), [names[code] for code in own], sensor.astype(np.int32), at[rows], late[rows],
            {name: column[rows] for name, column in values.items()}, int(version[start]),
        )  # fmt: skip
        places = index[rows]
        complete = int(places[0]) == 0 and int(places[-1]) == end - start - 1
        yield LogRecord(
            kind.name, part.partition, int(offsets[start]), int(logged[start]), batch,
            index=None if complete else places,
        )  # fmt: skip
