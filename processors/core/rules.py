"""A set of compiled rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from processors.core.rule import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order in which they are judged.

    `version` is that of the whole set (0: not from `registry.rules`); `timezone` is the city's, for hours and seasons.
    """

    rules: tuple[Rule, ...]
    version: int = 0
    timezone: str = "UTC"

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def __getitem__(self, rule_id: str) -> Rule:
        """The rule of that id; `KeyError` if there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules that judge readings of a kind, those of every kind (`*`) included."""
        return tuple(rule for rule in self.rules if rule.kind in (kind, "*"))
