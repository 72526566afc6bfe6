"""What a kind means for parsing: its columns, decoders and limits, made once for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from ingest.parsed import MISSING
from schemas.kinds import Field, Kind

SENSOR = "sensor_id"
TIME = "observed_at"
RATE = "sample_rate_hz"


@dataclass(frozen=True)
class Layout:
    """A kind prepared for parsing. The columns are sensor_id, observed_at, then the fields in their order."""

    kind: Kind

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return self.kind.fields

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (SENSOR, TIME, *(field.name for field in self.kind.fields))

    @cached_property
    def quoted_names(self) -> tuple[bytes, ...]:
        return tuple(f'"{name}"'.encode() for name in self.names)

    @cached_property
    def struct(self) -> Any:
        # Any: a wrong type is then a fault of one item and not of the whole payload
        return msgspec.defstruct("Reading", [(name, Any, MISSING) for name in self.names], gc=False)

    @cached_property
    def object_decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.struct)

    @cached_property
    def array_decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(list[self.struct])  # type: ignore[name-defined]

    @cached_property
    def run_decoder(self) -> msgspec.json.Decoder[Any]:
        """Of a run of samples whose fields are clean arrays of numbers."""
        columns = [(field.name, list[float] | float | msgspec.UnsetType, MISSING) for field in self.fields]
        head: list[Any] = [(SENSOR, str | msgspec.UnsetType, MISSING), (TIME, Any, MISSING), (RATE, Any, MISSING)]
        return msgspec.json.Decoder(msgspec.defstruct("Run", [*head, *columns], gc=False))

    def row(self, item: dict[str, Any]) -> tuple[Any, ...]:
        """The known keys of an object as one row."""
        return tuple(item.get(name, MISSING) for name in self.names)
