"""What a control record of a readings partition says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """tick: time passes though nothing is measured; rules, mode: from here on this version is in force."""

    TICK = "tick"
    RULES = "rules"
    MODE = "mode"


class ControlError(ValueError):
    """The text is none that this version knows."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control record; `version` is 0 for a tick."""

    word: Word
    version: int = 0

    def __str__(self) -> str:
        return str(self.word) if self.word is Word.TICK else f"{self.word}={self.version}"


def parse_control(text: str) -> Control:
    """`tick`, `rules=<version>` or `mode=<version>`. Raises `ControlError`."""
    word, equals, number = text.partition("=")
    if text == Word.TICK:
        return Control(Word.TICK)
    if word in (Word.RULES, Word.MODE) and equals and number.isascii() and number.isdigit():
        return Control(Word(word), int(number))
    raise ControlError(f"{text!r} is no control record; allowed: tick, rules=<version>, mode=<version>")
