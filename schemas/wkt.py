"""A strict check of the three Well-Known Text geometries that assets use, in WGS84 longitude and latitude."""

from __future__ import annotations

import re
from dataclasses import dataclass

GEOMETRIES = ("POINT", "LINESTRING", "POLYGON")

Point = tuple[float, float]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_HEAD = re.compile(r"\s*([A-Za-z]+)\s*\((.*)\)\s*", re.DOTALL)
_POSITION = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s*")
_RING = re.compile(r"\s*\(([^()]*)\)\s*")


class WktError(ValueError):
    """The text is not one of the allowed geometries; the message says what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A parsed geometry: its type and its rings of (longitude, latitude); all but POLYGON have one ring."""

    type: str
    rings: tuple[tuple[Point, ...], ...]


def parse_wkt(text: str) -> Geometry:
    """Parse `POINT (lon lat)`, `LINESTRING (lon lat, …)` or `POLYGON ((lon lat, …), …)`.

    Raises WktError for other types, Z or M values, coordinates outside WGS84, a line of fewer than two
    positions, and rings that are open or have fewer than four positions.
    """
    match = _HEAD.fullmatch(text)
    if match is None or match[1].upper() not in GEOMETRIES:
        raise WktError(
            f"not a geometry: {_short(text)}; allowed: POINT (lon lat), LINESTRING (lon lat, …), POLYGON ((lon lat, …))"
        )
    type_, body = match[1].upper(), match[2]
    if type_ == "POLYGON":
        rings = tuple(_positions(ring) for ring in _split_rings(body))
        for ring in rings:
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise WktError("a ring of a POLYGON has at least four positions, the last equal to the first")
        return Geometry(type_, rings)
    positions = _positions(body)
    if type_ == "POINT" and len(positions) != 1:
        raise WktError(f"a POINT has one position, not {len(positions)}")
    if type_ == "LINESTRING" and len(positions) < 2:
        raise WktError("a LINESTRING has at least two positions")
    return Geometry(type_, (positions,))


def _split_rings(body: str) -> list[str]:
    rings: list[str] = []
    at = 0
    while True:
        match = _RING.match(body, at)
        if match is None:
            raise WktError(f"a POLYGON has its rings in parentheses, separated by commas; got {_short(body)}")
        rings.append(match[1])
        at = match.end()
        if at == len(body):
            return rings
        if body[at] != ",":
            raise WktError(f"between rings of a POLYGON stands a comma, not {body[at]!r}")
        at += 1


def _positions(text: str) -> tuple[Point, ...]:
    result = []
    for part in text.split(","):
        match = _POSITION.fullmatch(part)
        if match is None:
            raise WktError(f"a position is `longitude latitude`, two numbers; got {_short(part)}")
        longitude, latitude = float(match[1]), float(match[2])
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise WktError(
                f"position {longitude:g} {latitude:g} is outside WGS84: longitude −180 to 180, then latitude −90 to 90"
            )
        result.append((longitude, latitude))
    return tuple(result)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
