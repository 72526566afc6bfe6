"""What couplings and the zone index say about their alerts, by id."""

from __future__ import annotations

from collections.abc import Mapping

from processors.core.alerts import AlertTexts
from processors.core.zones.engine import RULE
from processors.couplings import load_couplings
from processors.ruleset import load_rules
from processors.zones import load_zones
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import Kind


class ZoneTexts:
    """The texts of the zone standard; its departments have the lead first."""

    def __init__(self, title: Mapping[str, str], advice: Mapping[str, str], departments: list[str]) -> None:
        self.title = title
        self.advice = advice
        self.departments = departments


def coupling_texts(settings: Settings, kinds: Mapping[str, Kind]) -> dict[str, AlertTexts]:
    """Raises `RuleError` for files that are not good."""
    departments = load_departments(settings.departments_file)
    paths = [settings.rules_dir] if settings.rules_dir else None
    rules = load_rules(paths, kinds, departments, timezone=settings.timezone)
    found: dict[str, AlertTexts] = {one.id: one for one in load_couplings(paths, rules, departments)}
    zones = load_zones(paths, departments)
    found[RULE] = ZoneTexts(zones.title, zones.advice, [zones.lead_department, *zones.departments])
    return found
