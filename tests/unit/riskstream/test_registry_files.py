from pathlib import Path

import pytest
from click.testing import CliRunner

from riskstream.registry import registry, too_many_removed
from riskstream.registry_files import RegistryFilesError, read_files, validate

SENSORS = "sensor_id,kind,name,zone,department,lat,lon,asset_id,profile\nR-1,rainfall,,c,flood,,,{asset},\n"
ASSETS = "asset_id,type,name,zone,owner,lead_department,geometry_wkt,risk_grade,risk_point\n{id},pipe,,c,,{dep},,,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sensors.csv").write_text(SENSORS.format(asset="P-1"))
    (tmp_path / "assets.csv").write_text(ASSETS.format(id="P-1", dep="flood"))
    return tmp_path


def check(files, known=()):
    return validate(files, kinds=["rainfall"], departments=["flood"], known_assets=known)


def test_a_folder_is_its_two_files(folder):
    assert read_files((folder,)) == read_files((folder / "sensors.csv", folder / "assets.csv"))
    validated = check(read_files((folder,)))
    assert (list(validated.sensors), list(validated.assets), validated.errors) == (["R-1"], ["P-1"], [])


def test_sensors_alone_are_checked_against_the_known_assets(folder):
    files = read_files((folder / "sensors.csv",))
    assert check(files, ["P-1"]).errors == []
    assert check(files, ["P-1"]).assets is None
    (error,) = check(files).errors
    assert error.column == "asset_id"


def test_a_bad_asset_is_not_also_an_unknown_one(folder):
    (folder / "assets.csv").write_text(ASSETS.format(id="P-1", dep="nobody"))
    (error,) = check(read_files((folder,))).errors
    assert (Path(error.file).name, error.line, error.column) == ("assets.csv", 2, "lead_department")


def test_paths_that_do_not_fit(tmp_path):
    with pytest.raises(RegistryFilesError, match=r"has no sensors\.csv"):
        read_files((tmp_path,))
    with pytest.raises(RegistryFilesError, match="3 paths"):
        read_files((tmp_path / "a", tmp_path / "b", tmp_path / "c"))
    with pytest.raises(RegistryFilesError, match="No such file"):
        read_files((tmp_path / "a",))


def test_bad_rows_are_told_without_kafka_with_exit_status_2(folder, monkeypatch):
    monkeypatch.setenv("RISKSTREAM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    (folder / "sensors.csv").write_text(SENSORS.format(asset="P-2"))
    text = CliRunner().invoke(registry, ["import", str(folder)])
    assert text.exit_code == 2
    assert "sensors.csv:2: asset_id: unknown asset 'P-2'" in text.output
    assert "1 error; nothing was imported" in text.output
    json_ = CliRunner().invoke(registry, ["import", str(folder), "--format", "json"])
    assert json_.exit_code == 2
    assert '"line": 2, "column": "asset_id"' in json_.output


def test_what_is_added_may_name_assets_of_the_registry(folder):
    (folder / "sensors.csv").write_text(SENSORS.format(asset="P-0"))
    files = read_files((folder,))
    assert len(check(files, ["P-0"]).errors) == 1
    added = validate(files, kinds=["rainfall"], departments=["flood"], known_assets=["P-0"], add=True)
    assert added.errors == []


@pytest.mark.parametrize(
    ("removed", "before", "too_many"), [(20, 21, False), (21, 100, True), (100, 1000, False), (101, 1000, True)]
)
def test_an_import_that_removes_much_is_taken_for_a_wrong_file(removed, before, too_many):
    assert too_many_removed(removed, before) is too_many
