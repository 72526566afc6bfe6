"""Which episodes of a coupling are near one another, by its relation, found without looking at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from processors.core.coupling.episodes import Episode
from processors.core.coupling.places import crossing, distance_m, polygon_contains, within_zone
from schemas.registry import Snapshot, zone_at

_METRES_A_DEGREE = 111_195.0

Key = tuple[str, ...]


class Pool:
    """The episodes that match one coupling. `same` is a zone level, `asset` or empty; `metres` the distance or None."""

    def __init__(self, same: str, metres: float | None, registry: Callable[[], Snapshot]) -> None:
        self._same = same
        self._metres = metres
        self._registry = registry
        self._episodes: dict[str, Episode] = {}
        self._events: dict[str, Episode] = {}
        self._places: dict[Key, dict[str, Episode]] = {}
        self._keys: dict[str, list[Key]] = {}

    def add(self, episode: Episode) -> None:
        """Take in, or place anew: a coupled alert's zone may have grown."""
        self.remove(episode.id)
        if episode.type == "event":
            self._events[episode.id] = episode
            return
        self._episodes[episode.id] = episode
        self._keys[episode.id] = list(self._keys_of(episode))
        for key in self._keys[episode.id]:
            self._places.setdefault(key, {})[episode.id] = episode

    def remove(self, episode_id: str) -> None:
        self._events.pop(episode_id, None)
        self._episodes.pop(episode_id, None)
        for key in self._keys.pop(episode_id, ()):
            del self._places[key][episode_id]
            if not self._places[key]:
                del self._places[key]

    def near(self, episode: Episode) -> list[Episode]:
        """Other signals' episodes that are related to this one (events aside), earliest first."""
        found: dict[str, Episode] = {}
        if self._same and self._same != "asset" and (zone := zone_at(episode.zone, self._same)):
            found |= self._places.get((episode.run, "zone", zone), {})
        if self._same == "asset" and episode.asset_id:
            for key, here in self._places.items():
                if key[:2] == (episode.run, "asset") and self._same_asset(episode.asset_id, key[2]):
                    found |= here
        position = _position(episode)
        if self._metres is not None and position is not None:
            for key in self._cells(episode.run, *position, around=True):
                for other in self._places.get(key, {}).values():
                    there = _position(other)
                    if there is not None and distance_m(*position, *there) <= self._metres:
                        found[other.id] = other
        found.pop(episode.id, None)
        return in_order(found.values())

    def same_place(self, one: Episode, other: Episode) -> bool:
        """Are both in the zone, or at the asset, that makes them related? (Or are they only near?)"""
        if self._same == "asset":
            return bool(one.asset_id and other.asset_id) and self._same_asset(one.asset_id, other.asset_id)
        zone = zone_at(one.zone, self._same) if self._same else ""
        return bool(zone) and zone == zone_at(other.zone, self._same)

    def events_at(self, episode: Episode) -> list[Episode]:
        """Events whose zone or polygon contains the episode."""
        return in_order(event for event in self._events.values() if self._covers(event, episode))

    def under(self, event: Episode) -> list[Episode]:
        """Signals' episodes in an event's zone or polygon."""
        return in_order(episode for episode in self._episodes.values() if self._covers(event, episode))

    def _covers(self, event: Episode, episode: Episode) -> bool:
        if event.run != episode.run:
            return False
        if event.polygon:
            position = _position(episode)
            return position is not None and polygon_contains(event.polygon, *position)
        return within_zone(episode.zone, event.zone)

    def _same_asset(self, one: str, other: str) -> bool:
        if one == other:
            return True
        assets = self._registry().assets
        a, b = assets.get(one), assets.get(other)
        return bool(a and b and a.geometry_wkt and b.geometry_wkt and crossing(a.geometry_wkt, b.geometry_wkt))

    def _keys_of(self, episode: Episode) -> Iterator[Key]:
        if self._same == "asset":
            if episode.asset_id:
                yield episode.run, "asset", episode.asset_id
        elif self._same and (zone := zone_at(episode.zone, self._same)):
            yield episode.run, "zone", zone
        position = _position(episode)
        if self._metres is not None and position is not None:
            yield from self._cells(episode.run, *position, around=False)

    def _cells(self, run: str, lat: float, lon: float, *, around: bool) -> Iterator[Key]:
        """The cell of a position, or all cells that something within the distance may lie in."""
        metres = self._metres or 1.0
        row_deg = metres / _METRES_A_DEGREE
        row = math.floor(lat / row_deg)
        for r in range(row - 1, row + 2) if around else (row,):
            # a cell's width in degrees is that of its own row, so that all agree on it
            widest = math.cos(math.radians(min(89.0, abs(r * row_deg) + row_deg)))
            column_deg = row_deg / widest
            column = math.floor(lon / column_deg)
            for c in range(column - 1, column + 2) if around else (column,):
                yield run, "cell", str(r), str(c)


def _position(episode: Episode) -> tuple[float, float] | None:
    return None if episode.lat is None or episode.lon is None else (episode.lat, episode.lon)


def in_order(episodes: Iterable[Episode]) -> list[Episode]:
    """By the time at which they began, then by id: the same whatever came first."""
    return sorted(episodes, key=lambda one: (one.starts_at, one.id))
