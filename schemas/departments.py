"""Departments as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

BUILT_IN = Path(__file__).with_name("departments.yaml")
# a department's id is part of its topic's name
_ID = re.compile(r"^[a-z][a-z0-9-]{0,39}$")


class DepartmentsError(ValueError):
    """The departments' file is wrong; the message names the file, the entry and what is allowed."""


@dataclass(frozen=True, slots=True)
class Department:
    """A department; `name` by language."""

    department_id: str
    name: Mapping[str, str]

    @property
    def alert_topic(self) -> str:
        return f"alerts.{self.department_id}"


def load_departments(path: Path | None = None) -> dict[str, Department]:
    """The departments by id. Raises `DepartmentsError`."""
    path = path or BUILT_IN
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DepartmentsError(f"{path}: not readable as YAML: {error}") from error
    entries = content.get("departments") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise DepartmentsError(f"{path}: must have `departments:` with at least one department")
    departments = {}
    for key, entry in entries.items():
        if not isinstance(key, str) or not _ID.match(key) or key == "current":
            raise DepartmentsError(
                f"{path}: department {key!r}; allowed: lower case letters, digits, -, first a letter, not `current`"
            )
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, dict) or not name or not all(isinstance(text, str) for text in name.values()):
            raise DepartmentsError(f"{path}: department {key}: needs `name: {{en: …}}`, a text by language")
        departments[key] = Department(key, dict(name))
    return departments
