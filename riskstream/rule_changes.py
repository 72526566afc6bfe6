"""What a version of the rules, couplings and zone standard changes against another. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

ZONES_FILE = "zones.yaml"
ZONES = "zone.risk"
"""The id under which the zone standard's alerts and changes go."""

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule or coupling that is `added`, `removed` or `changed`; `details` has the keys that differ: before and after.

    The zone standard is one "rule", `ZONES`.
    """

    rule_id: str
    what: str
    details: Mapping[str, tuple[Any, Any]]

    def lines(self) -> Iterator[str]:
        yield f"{self.what:8} {self.rule_id}"
        for key, (before, after) in self.details.items():
            yield f"           {key}: {_short(before)} → {_short(after)}"


def rule_changes(before: Files, after: Files) -> list[RuleChange]:
    """The rules, couplings and zone standard that differ, by what their files say (not by order, comments, layout)."""
    old, new = _rules(before), _rules(after)
    found = []
    for rule_id in dict.fromkeys([*old, *new]):
        if rule_id not in new:
            found.append(RuleChange(rule_id, "removed", {}))
        elif rule_id not in old:
            found.append(RuleChange(rule_id, "added", {}))
        elif old[rule_id] != new[rule_id]:
            found.append(RuleChange(rule_id, "changed", dict(_differences("", old[rule_id], new[rule_id]))))
    return found


def same(before: Files, after: Files) -> bool:
    """Do both say the same, whatever their order, comments and layout?"""
    return {name: _content(text) for name, text in before.items()} == {
        name: _content(text) for name, text in after.items()
    }


def text_diff(before: Files, after: Files, names: tuple[str, str]) -> str:
    """A unified diff of all files."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        found += difflib.unified_diff(
            before.get(name, "").splitlines(keepends=True), after.get(name, "").splitlines(keepends=True),
            f"{names[0]}/{name}", f"{names[1]}/{name}",
        )  # fmt: skip
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)


def reused_versions(after: Files, earlier: Mapping[int, Files]) -> list[str]:
    """Files that say something else than an earlier one of the same standard and version; one line each.

    An alert names the version of its standard: that must stand for one text for ever.
    """
    found = []
    for name, text in after.items():
        content = _content(text)
        for version, files in earlier.items():
            for other_name, other_text in files.items():
                other = _content(other_text)
                if _standard(other) == _standard(content) != (None, None) and other != content:
                    found.append(
                        f"{name}: version {content['version']} of {content['standard']} said something else in version "
                        f"{version} of the rules ({other_name}); raise `version` in the file"
                    )
                    break
            else:
                continue
            break
    return found


@lru_cache(1000)
def _content(text: str) -> Any:
    return yaml.safe_load(text)


def _standard(content: Any) -> tuple[Any, Any]:
    return (content.get("standard"), content.get("version")) if isinstance(content, dict) else (None, None)


def _rules(files: Files) -> dict[str, Any]:
    """The rules and couplings of all files by id, and what the zone standard says."""
    found = {}
    for name, text in files.items():
        content = _content(text)
        if Path(name).name == ZONES_FILE and isinstance(content, dict):
            found[ZONES] = {key: value for key, value in content.items() if key not in ("standard", "version")}
            continue
        for key, entries in content.items() if isinstance(content, dict) else ():
            for rule in entries if isinstance(entries, list) else ():
                if isinstance(rule, dict) and "id" in rule:
                    found[str(rule["id"])] = {**rule, "": key}
    return found


def _differences(path: str, before: Any, after: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _differences(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
    elif before != after:
        yield path, (before, after)


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=1000).strip()
    text = " ".join(text.removesuffix("...").split())
    return text if len(text) <= 60 else f"{text[:57]}..."
