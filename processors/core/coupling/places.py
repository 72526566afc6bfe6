"""Where things are: distances on the globe, assets that cross, zones and polygons that contain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from schemas.wkt import Geometry, Point, WktError, parse_wkt

EARTH_M = 6_371_008.8
"""Mean radius of the Earth (IUGG)."""
CROSSING_M = 5.0
"""Assets whose geometries come so near cross: a manhole stands beside the pipe's drawn line, not on it."""


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance (haversine) in metres."""
    a, b = math.radians(lat1), math.radians(lat2)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, half)))


def within_zone(zone: str, outer: str) -> bool:
    """Is the zone path `outer` or below it?"""
    return zone == outer or zone.startswith(outer + "/")


def common_zone(zones: Sequence[str]) -> str:
    """The longest path that all zones share; empty if none."""
    parts = [zone.split("/") for zone in zones]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared)


@lru_cache(maxsize=65_536)
def geometry(wkt: str) -> Geometry | None:
    """The geometry of a WKT text; None if it has none that can be read."""
    try:
        return parse_wkt(wkt)
    except WktError:
        return None


def centre(wkt: str) -> tuple[float, float] | None:
    """Latitude and longitude of the middle of a geometry's positions."""
    found = geometry(wkt)
    if found is None:
        return None
    points = [point for ring in found.rings for point in ring]
    return sum(p[1] for p in points) / len(points), sum(p[0] for p in points) / len(points)


def polygon_contains(wkt: str, lat: float, lon: float) -> bool:
    """Even-odd rule over all rings, so that holes count."""
    found = geometry(wkt)
    if found is None or found.type != "POLYGON":
        return False
    inside = False
    for (x1, y1), (x2, y2) in _segments(found):
        if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


@lru_cache(maxsize=65_536)
def crossing(one: str, other: str) -> bool:
    """Do two WKT geometries cross, touch, contain one another, or come within `CROSSING_M`?"""
    a, b = geometry(one), geometry(other)
    if a is None or b is None:
        return False
    lon, lat = a.rings[0][0]
    if polygon_contains(other, lat, lon):
        return True
    if polygon_contains(one, b.rings[0][0][1], b.rings[0][0][0]):
        return True
    scale = math.cos(math.radians(lat))

    def flat(point: Point) -> Point:
        # small distances: a plane with the right scale is exact enough for metres
        return math.radians(point[0] - lon) * scale * EARTH_M, math.radians(point[1] - lat) * EARTH_M

    theirs = [(flat(p), flat(q)) for p, q in _segments(b)]
    return any(
        _segment_distance((flat(p), flat(q)), segment) <= CROSSING_M for p, q in _segments(a) for segment in theirs
    )


def _segments(shape: Geometry) -> Iterator[tuple[Point, Point]]:
    for ring in shape.rings:
        if len(ring) == 1:
            yield ring[0], ring[0]
        yield from pairwise(ring)


def _segment_distance(one: tuple[Point, Point], other: tuple[Point, Point]) -> float:
    (a, b), (c, d) = one, other
    if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
        return 0.0
    return min(_to_segment(a, c, d), _to_segment(b, c, d), _to_segment(c, a, b), _to_segment(d, a, b))


def _side(a: Point, b: Point, p: Point) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def _to_segment(p: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    part = max(0.0, min(1.0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length)) if length else 0.0
    return math.hypot(p[0] - a[0] - part * dx, p[1] - a[1] - part * dy)
