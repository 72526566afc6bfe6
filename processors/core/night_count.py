"""How many nights of how many."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NightCount:
    """At least so many of the last so many nights of these hours."""

    at_least: int
    of: int
    hours: str
