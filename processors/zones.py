"""The zone standard from `zones.yaml`, with the faults of rule files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from processors.core.expression.errors import suggestion
from processors.core.zones import ZoneStandard
from processors.couplings import coupling_files
from processors.ruleset import SHIPPED, Fault, RuleError, parse_yaml, read_yaml, validate
from processors.yaml_places import PlacedYaml
from schemas.departments import load_departments

FILE = "zones.yaml"


def load_zones(paths: Iterable[Path] | None, departments: Collection[str] | None = None) -> ZoneStandard:
    """The standard of the first `zones.yaml` in the paths, else the shipped one. Raises `RuleError`."""
    found = coupling_files(paths, FILE)
    path = found[0] if found else SHIPPED / FILE
    return _standard(str(path), read_yaml(path), departments)


def zones_from_text(text: str, departments: Collection[str] | None = None) -> ZoneStandard:
    """The standard of a file that is given as text. Raises `RuleError`."""
    return _standard(FILE, parse_yaml(FILE, text), departments)


def _standard(path: str, document: PlacedYaml, departments: Collection[str] | None) -> ZoneStandard:
    known = load_departments() if departments is None else departments
    standard = validate(ZoneStandard, document, path)
    named = [(("lead_department",), standard.lead_department)]
    faults = []
    for place, department in [*named, *((("departments",), one) for one in standard.departments)]:
        if department not in known:
            near = suggestion(department, known) or ";"
            message = f"`{department}` is not a department{near} departments: {', '.join(sorted(known))}"
            faults.append(Fault(path, *document.location(place), place[0], message))
    if faults:
        raise RuleError(faults)
    return standard
