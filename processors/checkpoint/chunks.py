"""The engine's state of a range of slots as bytes, and back."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from processors.core.engine import State
from processors.core.levels import Timer, Track


class ChunkError(ValueError):
    """The bytes are no chunk of this version."""


def encode_chunk(state: State) -> bytes:
    """MessagePack: slots' keys, columns as raw little-endian bytes, tracks as lists."""
    return msgspec.msgpack.encode(
        {
            "first": state.first,
            "keys": state.keys,
            "columns": {
                name: [array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()]
                for name, array in state.columns.items()
            },
            "tracks": {
                rule: {slot: _track_to_list(track) for slot, track in tracks.items()}
                for rule, tracks in state.tracks.items()
                if tracks
            },
        }
    )


def decode_chunk(data: bytes) -> State:
    """Raises `ChunkError`."""
    try:
        raw = msgspec.msgpack.decode(data, strict=False)
        return State(
            first=raw["first"],
            keys=[(run, sensor_id) for run, sensor_id in raw["keys"]],
            columns={
                name: np.frombuffer(content, np.dtype(dtype)).reshape(shape)
                for name, (dtype, shape, content) in raw["columns"].items()
            },
            tracks={
                rule: {int(slot): _track_from_list(track) for slot, track in tracks.items()}
                for rule, tracks in raw["tracks"].items()
            },
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise ChunkError(f"not a chunk of state: {error}") from error


def _track_to_list(track: Track) -> list[Any]:
    return [
        track.level,
        track.onset,
        {level: [timer.since, timer.readings] for level, timer in track.holding.items()},
        [track.failing.since, track.failing.readings],
        [track.clearing.since, track.clearing.readings],
    ]


def _track_from_list(raw: list[Any]) -> Track:
    level, onset, holding, failing, clearing = raw
    return Track(
        level, onset, {int(one): Timer(*timer) for one, timer in holding.items()}, Timer(*failing), Timer(*clearing)
    )
