"""Loads the city that the simulator plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import deploy.demo
from riskstream.registry_files import RegistryFilesError, read_files, validate
from runtime.settings import load_settings
from schemas.departments import load_departments
from schemas.kinds import Kind, load_kinds
from schemas.registry import Asset, Sensor

SAMPLE_CITY = Path(deploy.demo.__file__).parent


class CityError(ValueError):
    """The city's files cannot be played; the message names the file, the line and what is allowed."""


@dataclass(frozen=True, slots=True)
class City:
    """Sensors and assets, the kinds, and the city's present offset from UTC."""

    sensors: Mapping[str, Sensor]
    assets: Mapping[str, Asset]
    kinds: Mapping[str, Kind]
    utc_offset_s: int


def load_city(folder: Path | None = None) -> City:
    """The city of a folder with sensors.csv and assets.csv, the sample city by default.

    Raises CityError, and SettingsError for wrong settings (kinds, departments, time zone).
    """
    settings = load_settings()
    try:
        kinds, departments = load_kinds(*settings.kinds_dirs), load_departments(settings.departments_file)
        validated = validate(read_files((folder or SAMPLE_CITY,)), kinds=kinds, departments=departments)
    except (RegistryFilesError, ValueError) as error:
        raise CityError(str(error)) from error
    if validated.errors:
        more = f" (and {len(validated.errors) - 1} more errors)" if len(validated.errors) > 1 else ""
        raise CityError(f"{validated.errors[0]}{more}")
    offset = datetime.now(ZoneInfo(settings.timezone)).utcoffset()
    return City(validated.sensors, validated.assets or {}, kinds, round(offset.total_seconds()) if offset else 0)
