"""A version of everything that a city is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from processors.core.alerts import AlertTexts
from processors.core.coupling import CouplingSet
from processors.core.rules import RuleSet
from processors.core.zones import ZoneStandard
from processors.core.zones.engine import RULE as ZONE_RULE


class ZoneTexts:
    """What the zone standard says about its alerts; its departments have the lead first."""

    def __init__(self, standard: ZoneStandard) -> None:
        self.title = standard.title
        self.advice = standard.advice
        self.departments = [standard.lead_department, *standard.departments]


@dataclass(frozen=True, slots=True)
class Standard:
    """Rules, couplings and the zone standard, applied together."""

    rules: RuleSet
    couplings: CouplingSet
    zones: ZoneStandard

    @property
    def version(self) -> int:
        """That of `registry.rules`; 0: what the software comes with, or the folder of `RISKSTREAM_RULES_DIR`."""
        return self.rules.version

    def texts(self) -> dict[tuple[str, int], AlertTexts]:
        """What rules, couplings and the zone index say about their alerts, by id and the `rule_version` of signals."""
        found: dict[tuple[str, int], AlertTexts] = {
            (one.id, one.version): one for one in (*self.rules, *self.couplings)
        }
        found[ZONE_RULE, self.zones.version] = ZoneTexts(self.zones)
        return found
