from pathlib import Path

from click.testing import CliRunner

from ingest.api_keys import KeyFile
from riskstream.keys import keys


def test_a_new_key_is_found_in_the_file_and_shown_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    made = CliRunner().invoke(keys, ["new", "gasworks", "--file", str(file), "--kinds", "gas_pressure"])
    key = made.output.strip()
    assert made.exit_code == 0
    assert key.startswith("rs_")
    assert key not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    found = KeyFile(file).find(key)
    assert found is not None
    assert (found.name, found.may_write("gas_pressure"), found.may_write("rainfall")) == ("gasworks", True, False)
    assert CliRunner().invoke(keys, ["new", "other", "--file", str(file)]).exit_code == 0
    listed = CliRunner().invoke(keys, ["list", str(file)]).output
    assert listed == "gasworks\tgas_pressure\nother\tall kinds\n"


def test_a_name_is_used_once_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    CliRunner().invoke(keys, ["new", "gasworks", "--file", str(file)])
    again = CliRunner().invoke(keys, ["new", "gasworks", "--file", str(file)])
    assert (again.exit_code, "stands twice" in again.output) == (1, True)
    wrong = CliRunner().invoke(keys, ["new", "gas works"])
    assert (wrong.exit_code, "allowed: letters" in wrong.output) == (1, True)
