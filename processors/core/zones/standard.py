"""Weights and thresholds of the risk index, as their authors write them, and the index itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from processors.core.definition import Language, LevelWord, Strict, Text
from schemas.levels import LEVELS, Level

Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Counts = Mapping[tuple[str, int], int]
"""Open signals by domain and level."""


class Association(Strict):
    """Two domains that make each other worse: the risk of both counts `factor` times in the exponent."""

    domains: tuple[Text, Text]
    factor: Annotated[float, Field(ge=1, le=10)]


class ZoneStandard(Strict):
    """The standard of the index; see `index` for how it is made."""

    standard: Text
    version: Annotated[int, Field(ge=1, strict=True)]
    title: Annotated[dict[Language, Text], Field(min_length=1)]
    advice: dict[Language, Text] = Field(default_factory=dict)
    points: dict[LevelWord, Percent]
    domains: Annotated[dict[Text, Share], Field(min_length=1)]
    scale: Annotated[
        dict[Literal["grid", "community", "street", "district", "city"], Annotated[float, Field(gt=0, le=1)]],
        Field(min_length=1),
    ]
    association: list[Association] = Field(default_factory=list)
    graded: dict[LevelWord, Percent]
    hysteresis: Annotated[float, Field(ge=0, le=50)]
    step: Annotated[float, Field(ge=0.01, le=50)]
    lead_department: Text
    departments: list[Text] = Field(default_factory=list)
    source: Text
    confidence: Literal["high", "medium", "low"]

    @model_validator(mode="after")
    def _complete(self) -> ZoneStandard:
        for name, given in (("points", self.points), ("graded", self.graded)):
            values = [given.get(level.word) for level in LEVELS]  # type: ignore[call-overload]
            if None in values or sorted(values) != values:
                raise ValueError(f"`{name}` needs blue, yellow, orange and red, each not below the one before")
        for pair in self.association:
            for domain in pair.domains:
                if domain not in self.domains:
                    raise ValueError(f"`association` names {domain}, which has no weight in `domains`")
        return self

    def index(self, counts: Counts, zone_level: str) -> float:
        """The index of a zone, 0 to 100, rounded to 2 decimals.

        A signal is a chance of harm: points of its level × weight of its domain × scale of the zone level. Chances of
        one domain combine as independent ones, R = 1 − Π (1 − chance). The index is 100 × (1 − Π (1 − R)^f) over the
        domains, with f the largest factor that joins the domain to another one that is there too, else 1. So it grows
        with level and number, faster where hazards meet, and never passes 100.
        """
        safe = {domain: 1.0 for domain, _ in sorted(counts)}
        for (domain, level), number in sorted(counts.items()):
            chance = self._points(level) / 100 * self.domains.get(domain, 0.0) * self._scale(zone_level)
            safe[domain] *= (1.0 - chance) ** number
        left = 1.0
        for domain, remains in safe.items():
            left *= remains ** self._factor(domain, safe)
        return round(100 * (1.0 - left), 2)

    def level(self, index: float, present: Level) -> Level:
        """The level at an index: it rises at the threshold, and falls when the index is `hysteresis` below it."""
        found = Level.NONE
        for level in LEVELS:
            threshold = self.graded[level.word]  # type: ignore[index]
            if index >= threshold - (self.hysteresis if level <= present else 0.0):
                found = level
        return found

    def _points(self, level: int) -> float:
        return self.points[Level(level).word]  # type: ignore[index]

    def _scale(self, zone_level: str) -> float:
        return self.scale[zone_level]  # type: ignore[index]

    def _factor(self, domain: str, safe: Mapping[str, float]) -> float:
        factors = [
            pair.factor
            for pair in self.association
            if domain in pair.domains and all(safe.get(one, 1.0) < 1.0 for one in pair.domains)
        ]
        return max(factors, default=1.0)
