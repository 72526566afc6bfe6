"""The registry as CSV: `sensors.csv` and `assets.csv` to and from Sensor and Asset.

Parsing never stops at the first mistake: it returns what it could read and every error, each with file, line,
column and what is allowed. Free attributes of a sensor stand in the column `attributes` as `key=value` pairs
separated by spaces or semicolons, or in columns of their own whose header is the attribute's name.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from schemas.registry import ZONE_LEVELS, Asset, Sensor
from schemas.wkt import WktError, parse_wkt

SENSOR_COLUMNS = (
    "sensor_id", "kind", "name", "zone", "department", "lat", "lon", "asset_id", "profile",
)  # fmt: skip
ASSET_COLUMNS = (
    "asset_id", "type", "name", "zone", "owner", "lead_department", "geometry_wkt", "risk_grade",
    "risk_point",
)  # fmt: skip
ATTRIBUTES_COLUMN = "attributes"
T = TypeVar("T")

RISK_GRADES = ("I", "II", "III", "IV")
MAX_ID_BYTES = 128

_ATTRIBUTE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NOT_A_NUMBER = frozenset({"nan", "inf", "infinity"})
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0", ""})
# bytes that are not UTF-8 as `surrogateescape` keeps them, and those of binary files
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_SEPARATORS = re.compile(r"[\s;]+")


@dataclass(frozen=True, slots=True, order=True)
class RowError:
    """What is wrong in one cell (or, with an empty column, in a whole line) and what is allowed there."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"


@dataclass(slots=True)
class Parsed(Generic[T]):
    """The rows that were read, by id, and every error; with errors the rows are incomplete."""

    rows: dict[str, T]
    errors: list[RowError] = field(default_factory=list)


def parse_sensors(
    data: bytes | str,
    *,
    kinds: Collection[str],
    departments: Collection[str],
    assets: Collection[str] | None = None,
    file: str = "sensors.csv",
) -> Parsed[Sensor]:
    """Parse sensors.csv. `assets` are the known asset ids; None leaves `asset_id` unchecked."""

    def sensor(row: _Row) -> Sensor | None:
        sensor_id = row.topic_level("sensor_id")
        latitude = row.degrees("lat", 90)
        longitude = row.degrees("lon", 180)
        if not row.failed("lat", "lon") and (latitude is None) != (longitude is None):
            row.error("lat" if latitude is None else "lon", "empty; lat and lon are both given or both empty")
        asset_id = row.cell("asset_id")
        if asset_id and assets is not None and asset_id not in assets:
            row.error("asset_id", f"unknown asset {asset_id!r}; allowed: an asset_id of the assets, or empty")
        result = Sensor(
            sensor_id=sensor_id,
            kind=row.one_of("kind", kinds),
            name=row.cell("name"),
            zone=row.zone("zone"),
            department=row.one_of("department", departments),
            lat=latitude,
            lon=longitude,
            asset_id=asset_id,
            profile=row.cell("profile"),
            attributes=row.attributes(),
        )
        return None if row.errors else result

    return _parse(data, file, SENSOR_COLUMNS, True, sensor, "sensor_id")


def parse_assets(data: bytes | str, *, departments: Collection[str], file: str = "assets.csv") -> Parsed[Asset]:
    """Parse assets.csv."""

    def asset(row: _Row) -> Asset | None:
        result = Asset(
            asset_id=row.identifier("asset_id"),
            type=row.required("type"),
            name=row.cell("name"),
            zone=row.zone("zone"),
            owner=row.cell("owner"),
            lead_department=row.one_of("lead_department", departments),
            geometry_wkt=row.wkt("geometry_wkt"),
            risk_grade=row.one_of("risk_grade", RISK_GRADES, optional=True),
            risk_point=row.boolean("risk_point"),
        )
        return None if row.errors else result

    return _parse(data, file, ASSET_COLUMNS, False, asset, "asset_id")


def asset_ids(data: bytes | str) -> set[str]:
    """The ids in assets.csv, valid rows or not: so that one bad asset is not also an unknown asset."""
    rows = csv.DictReader(io.StringIO(_decode(data)))
    try:
        return {value.strip() for row in rows if isinstance(value := row.get("asset_id"), str)}
    except csv.Error:
        return set()


def write_sensors(sensors: Iterable[Sensor]) -> str:
    """sensors.csv, ordered by sensor_id; parse_sensors reads back the same sensors.

    An attribute whose text holds a separator gets a column of its own, the others stand in `attributes`.
    """
    ordered = sorted(sensors, key=lambda sensor: sensor.sensor_id)
    own_columns = sorted({key for s in ordered for key, value in s.attributes.items() if not _fits_pair(value)})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*SENSOR_COLUMNS, *own_columns, ATTRIBUTES_COLUMN])
    for s in ordered:
        texts = {key: _format(value) for key, value in sorted(s.attributes.items())}
        pairs = " ".join(f"{key}={text}" for key, text in texts.items() if key not in own_columns)
        writer.writerow(
            [s.sensor_id, s.kind, s.name, s.zone, s.department, _degrees(s.lat), _degrees(s.lon), s.asset_id,
             s.profile, *(texts.get(key, "") for key in own_columns), pairs]
        )  # fmt: skip
    return out.getvalue()


def write_assets(assets: Iterable[Asset]) -> str:
    """assets.csv, ordered by asset_id; parse_assets reads back the same assets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ASSET_COLUMNS)
    for a in sorted(assets, key=lambda asset: asset.asset_id):
        writer.writerow(
            [a.asset_id, a.type, a.name, a.zone, a.owner, a.lead_department, a.geometry_wkt, a.risk_grade,
             "true" if a.risk_point else "false"]
        )  # fmt: skip
    return out.getvalue()


class _Row:
    """One line while it is checked: reads cells as types and collects what is wrong with them."""

    def __init__(self, file: str, line: int, cells: dict[str, str], extra: Collection[str]) -> None:
        self.file, self.line, self.cells, self.extra = file, line, cells, extra
        self.errors: list[RowError] = []
        for column, text in cells.items():
            if any("\udc80" <= c <= "\udcff" for c in text):
                self.error(column, "bytes that are not UTF-8; allowed: UTF-8 text")
            elif any(c < " " or c == "\x7f" for c in text):
                self.error(column, "a control character or line break; allowed: printable text")

    def error(self, column: str, reason: str) -> None:
        self.errors.append(RowError(self.file, self.line, column, reason))

    def failed(self, *columns: str) -> bool:
        return any(error.column in columns for error in self.errors)

    def cell(self, column: str) -> str:
        return self.cells.get(column, "").strip()

    def required(self, column: str) -> str:
        text = self.cell(column)
        if not text and column in self.cells:
            self.error(column, "empty; a value is required")
        return text

    def identifier(self, column: str) -> str:
        text = self.required(column)
        if len(text.encode("utf-8", "surrogateescape")) > MAX_ID_BYTES:
            self.error(column, f"longer than {MAX_ID_BYTES} bytes")
        return text

    def topic_level(self, column: str) -> str:
        text = self.identifier(column)
        wrong = sorted({c for c in text if c in "/+#" or c.isspace()})
        if wrong:
            self.error(
                column,
                f"{text!r} holds {' '.join(map(repr, wrong))}, which does not fit an MQTT topic level; "
                "allowed: text without / + # and spaces",
            )
        return text

    def one_of(self, column: str, allowed: Collection[str], *, optional: bool = False) -> str:
        text = self.cell(column) if optional else self.required(column)
        if text and text not in allowed:
            self.error(column, f"unknown {column} {text!r}; allowed: {', '.join(allowed)}")
        return text

    def zone(self, column: str) -> str:
        text = self.required(column)
        levels = text.split("/")
        path = "/".join(ZONE_LEVELS)
        if text and len(levels) > len(ZONE_LEVELS):
            self.error(column, f"{len(levels)} levels in {text!r}; allowed: at most five, {path}")
        elif text and any(not level or level != level.strip() for level in levels):
            self.error(column, f"an empty or padded level in {text!r}; allowed: {path}, each level named")
        return text

    def degrees(self, column: str, limit: int) -> float | None:
        text = self.cell(column)
        if not text:
            return None
        if _NUMBER.fullmatch(text) is None or not -limit <= float(text) <= limit:
            self.error(column, f"{text!r} is not a number of degrees; allowed: −{limit} to {limit}, or empty")
            return None
        return float(text)

    def boolean(self, column: str) -> bool:
        text = self.cell(column).lower()
        if text not in _TRUE | _FALSE:
            self.error(column, f"{self.cell(column)!r}; allowed: true or false")
        return text in _TRUE

    def wkt(self, column: str) -> str:
        text = self.cell(column)
        if text:
            try:
                parse_wkt(text)
            except WktError as error:
                self.error(column, str(error))
        return text

    def attributes(self) -> dict[str, float | str]:
        result: dict[str, float | str] = {}
        for column in self.extra:
            if text := self.cell(column):
                self._attribute(result, column, column, text)
        for pair in _SEPARATORS.split(self.cell(ATTRIBUTES_COLUMN)):
            if not pair:
                continue
            key, equals, text = pair.partition("=")
            if not equals or not text or "=" in text or _ATTRIBUTE_NAME.fullmatch(key) is None:
                self.error(
                    ATTRIBUTES_COLUMN,
                    f"{pair!r} is not key=value; allowed: pairs such as zero_ue=0.5, the key in lower case "
                    "letters, digits and _, separated by spaces or semicolons",
                )
            elif key in SENSOR_COLUMNS:
                self.error(ATTRIBUTES_COLUMN, f"{key!r} is a column of its own and cannot be an attribute")
            elif key in result:
                self.error(ATTRIBUTES_COLUMN, f"{key!r} is given twice")
            else:
                self._attribute(result, ATTRIBUTES_COLUMN, key, text)
        return result

    def _attribute(self, result: dict[str, float | str], column: str, key: str, text: str) -> None:
        if _NUMBER.fullmatch(text) is None and text.lstrip("+-").lower() not in _NOT_A_NUMBER:
            result[key] = text
        elif math.isfinite(float(text)):
            result[key] = float(text)
        else:
            self.error(column, f"{key}={text} is not a finite number")


def _parse(
    data: bytes | str,
    file: str,
    columns: tuple[str, ...],
    attributes: bool,
    build: Callable[[_Row], T | None],
    id_column: str,
) -> Parsed[T]:
    parsed: Parsed[T] = Parsed({})
    lines = _lines(_decode(data), file, parsed.errors)
    _, header = next(lines, (1, []))
    if any(_NOT_TEXT.search(name) for name in header):
        parsed.errors = [RowError(file, 1, "", "not UTF-8 text; allowed: CSV in UTF-8")]
        return parsed
    header = [name.strip() for name in header]
    _check_header(header, file, columns, attributes, parsed.errors)
    extra = [name for name in header if name not in columns and name != ATTRIBUTES_COLUMN]
    if not attributes or any(_ATTRIBUTE_NAME.fullmatch(name) is None for name in extra):
        extra = []
    first_lines: dict[str, int] = {}
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            reason = f"{len(cells)} cells; the header has {len(header)} columns"
            parsed.errors.append(RowError(file, line, "", reason))
            continue
        row = _Row(file, line, dict(zip(header, cells, strict=True)), extra)
        built = build(row)
        id_ = row.cell(id_column)
        if id_ and (first := first_lines.setdefault(id_, line)) != line:
            row.error(id_column, f"{id_!r} stands already in line {first}; each {id_column} is given once")
        elif built is not None:
            parsed.rows[id_] = built
        parsed.errors.extend(row.errors)
    parsed.errors.sort(key=lambda error: error.line)
    return parsed


def _check_header(
    header: list[str], file: str, columns: tuple[str, ...], attributes: bool, errors: list[RowError]
) -> None:
    for name in columns:
        if name not in header:
            errors.append(RowError(file, 1, name, f"missing column; needed: {', '.join(columns)}"))
    for name in sorted({name for name in header if header.count(name) > 1}):
        errors.append(RowError(file, 1, name, "the column stands twice in the header"))
    for name in header:
        if name in columns or (attributes and name == ATTRIBUTES_COLUMN):
            continue
        if not attributes:
            errors.append(RowError(file, 1, name, f"unknown column; allowed: {', '.join(columns)}"))
        elif _ATTRIBUTE_NAME.fullmatch(name) is None:
            errors.append(
                RowError(
                    file, 1, name,
                    f"unknown column; allowed: {', '.join(columns)}, {ATTRIBUTES_COLUMN}, or the name of an "
                    "attribute (lower case letters, digits and _)",
                )
            )  # fmt: skip


def _lines(text: str, file: str, errors: list[RowError]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # nothing after a broken quote can be trusted
            errors.append(RowError(file, line, "", f"not readable as CSV: {error}"))
            return
        yield line, cells
        line = reader.line_num + 1


def _decode(data: bytes | str) -> str:
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff")


def _fits_pair(value: float | str) -> bool:
    return isinstance(value, float) or (bool(value) and _SEPARATORS.search(value) is None and "=" not in value)


def _format(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _degrees(value: float | None) -> str:
    return "" if value is None else _format(float(value))
