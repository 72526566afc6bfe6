"""The files of a rules folder, or of an applied version, as one standard."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from processors.core.standard import Standard
from processors.couplings import FILE as COUPLINGS_FILE
from processors.couplings import coupling_files, couplings_from_text, load_couplings
from processors.ruleset import SHIPPED, RuleError, files_of, load_rules, rules_from_texts
from processors.zones import FILE as ZONES_FILE
from processors.zones import load_zones, zones_from_text
from schemas.kinds import Kind

Files = Mapping[str, str]


def load_standard(
    paths: Sequence[Path] | None, kinds: Mapping[str, Kind], departments: Collection[str] | None = None, *,
    timezone: str = "UTC",
) -> Standard:  # fmt: skip
    """What files and folders say (by default the shipped ones), as version 0. Raises `RuleError`."""
    rules = load_rules(paths, kinds, departments, timezone=timezone)
    return Standard(rules, load_couplings(paths, rules, departments), load_zones(paths, departments))


def standard_from_texts(
    files: Files, own: Standard, kinds: Mapping[str, Kind], departments: Collection[str] | None = None,
    version: int = 0, *, timezone: str = "UTC",
) -> Standard:  # fmt: skip
    """What the files of a version say; of `own` what the version does not hold. Raises `RuleError` with all faults.

    A coupling may name a rule that is not there: it just never comes. `riskstream rules` says so to who writes it.
    """
    faults = []
    rules, couplings, zones = own.rules, own.couplings, own.zones
    try:
        rules = rules_from_texts(files, kinds, departments, version, timezone=timezone)
    except RuleError as error:
        faults += error.faults
    try:
        if COUPLINGS_FILE in files:
            couplings = couplings_from_text(files[COUPLINGS_FILE], rules, departments)
    except RuleError as error:
        faults += error.faults
    try:
        if ZONES_FILE in files:
            zones = zones_from_text(files[ZONES_FILE], departments)
    except RuleError as error:
        faults += error.faults
    if faults:
        raise RuleError(faults)
    return Standard(rules, couplings, zones)


def texts_of(paths: Sequence[Path] | None) -> dict[str, str]:
    """The files that paths mean, by name: rules, couplings and zones, without the stories.

    Raises `RuleError`, `OSError` or `UnicodeDecodeError`; `ValueError` if two have the same name.
    """
    others = [path for name in (COUPLINGS_FILE, ZONES_FILE) for path in coupling_files(paths, name)]
    found = list(dict.fromkeys([*files_of(paths), *others]))
    texts = {path.name: path.read_text(encoding="utf-8") for path in found}
    if len(texts) < len(found):
        raise ValueError("two files have the same name; names must differ, whatever their folder")
    return texts


def own_texts(folder: Path | None) -> dict[str, str]:
    """The files of version 0; a folder without a zone standard has the shipped one. Raises as `texts_of` does."""
    shipped = {ZONES_FILE: (SHIPPED / ZONES_FILE).read_text(encoding="utf-8")}
    return {**shipped, **texts_of([folder] if folder else None)}


def whole(files: Files, own: Files) -> dict[str, str]:
    """A version's files with what it does not hold of couplings and zones: versions of old held rules alone."""
    return {**{name: own[name] for name in (COUPLINGS_FILE, ZONES_FILE) if name in own}, **files}
