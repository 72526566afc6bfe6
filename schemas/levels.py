"""Levels of warning."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """Graded levels; a higher number is worse. Red is I, orange II, yellow III, blue IV of the Chinese standards."""

    NONE = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def word(self) -> str:
        return self.name.lower()


LEVELS = (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED)


def level_of(word: str) -> Level:
    """The level of that name. Raises `ValueError` naming what is allowed."""
    try:
        return Level[word.upper()]
    except KeyError:
        allowed = ", ".join(level.word for level in LEVELS)
        raise ValueError(f"level {word!r} is not known; allowed: {allowed}") from None
