"""The registry's files on disk: find, read and validate them as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.registry import Asset, Sensor
from schemas.registry_csv import (
    RowError,
    asset_ids,
    parse_assets,
    parse_sensors,
    write_assets,
    write_sensors,
)

SENSORS_FILE, ASSETS_FILE = "sensors.csv", "assets.csv"


class RegistryFilesError(ValueError):
    """A path is not what an import reads; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class RegistryFiles:
    """Bytes of both files with the paths they came from; without assets the registry's own assets stay."""

    sensors_path: Path
    sensors: bytes
    assets_path: Path | None = None
    assets: bytes | None = None


@dataclass(frozen=True, slots=True)
class Validated:
    """What the files hold. `assets` is None where no assets were given; rows count only without errors."""

    sensors: Mapping[str, Sensor]
    assets: Mapping[str, Asset] | None
    errors: list[RowError]


def read_files(paths: tuple[Path, ...]) -> RegistryFiles:
    """Read `sensors.csv [assets.csv]`, or a folder that holds them. Raises RegistryFilesError."""
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        if not (folder / SENSORS_FILE).is_file():
            raise RegistryFilesError(f"{folder}: the folder has no {SENSORS_FILE}")
        paths = (folder / SENSORS_FILE,)
        if (folder / ASSETS_FILE).is_file():
            paths += (folder / ASSETS_FILE,)
    if len(paths) > 2:
        raise RegistryFilesError(
            f"{len(paths)} paths; allowed: {SENSORS_FILE}, {SENSORS_FILE} {ASSETS_FILE}, or a folder"
        )
    try:
        content = [path.read_bytes() for path in paths]
    except OSError as error:
        raise RegistryFilesError(f"{error.filename}: {error.strerror}") from error
    if len(paths) == 1:
        return RegistryFiles(paths[0], content[0])
    return RegistryFiles(paths[0], content[0], paths[1], content[1])


def validate(
    files: RegistryFiles,
    *,
    kinds: Collection[str],
    departments: Collection[str],
    known_assets: Collection[str] = (),
    add: bool = False,
) -> Validated:
    """Check every row of both files.

    `known_assets` are the registry's own: sensors may name them where no assets.csv is given, and with `add`, which
    keeps them, also where one is.
    """
    assets: Mapping[str, Asset] | None = None
    errors: list[RowError] = []
    if files.assets is not None:
        parsed = parse_assets(files.assets, departments=departments, file=str(files.assets_path))
        assets = parsed.rows
        known_assets = asset_ids(files.assets) | (set(known_assets) if add else set())
        errors += parsed.errors
    sensors = parse_sensors(
        files.sensors, kinds=kinds, departments=departments, assets=known_assets, file=str(files.sensors_path)
    )
    return Validated(sensors.rows, assets, errors + sensors.errors)


def write_files(folder: Path, sensors: Mapping[str, Sensor], assets: Mapping[str, Asset]) -> tuple[Path, Path]:
    """Write both files into the folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / SENSORS_FILE, folder / ASSETS_FILE
    paths[0].write_text(write_sensors(sensors.values()), encoding="utf-8")
    paths[1].write_text(write_assets(assets.values()), encoding="utf-8")
    return paths
