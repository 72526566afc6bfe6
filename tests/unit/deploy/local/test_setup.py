from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from deploy.local import setup


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no program on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_what_is_missing_is_named_in_one_line(bare_machine: Path) -> None:
    with pytest.raises(setup.SetupError) as caught:
        setup.require(["java", "mvn", "npm"])
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("missing: java, mvn, npm (a Java runtime, 17 or newer, runs Kafka; ")


@pytest.mark.parametrize(
    ("banner", "lacks"),
    [
        ('openjdk version "17.0.15" 2025-04-15', []),
        ('openjdk version "21" 2023-09-19', []),
        ('java version "1.8.0_402"', ["java"]),
        ('openjdk version "11.0.2" 2019-01-15', ["java"]),
        ("no such thing", ["java"]),
    ],
)
def test_java_must_be_new_enough(bare_machine: Path, banner: str, lacks: list[str]) -> None:
    program(bare_machine, "java", f"echo '{banner}' >&2")
    assert setup.missing(["java"]) == lacks


def test_a_command_that_fails_is_shown_with_the_end_of_its_output(capfd: pytest.CaptureFixture[str]) -> None:
    code = "print('first'); print('the reason'); raise SystemExit(4)"
    with pytest.raises(setup.SetupError, match=r"(?s)download failed: .* ended with 4:.*the reason"):
        setup.run("download", [sys.executable, "-c", code])


def test_a_folder_is_made_once_and_again_when_its_input_changes(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("one")
    folder = tmp_path / "made"
    key = setup.fingerprint(lock)
    assert not setup.made(folder, key)
    setup.replace(folder, setup.fresh(folder), key)
    assert setup.made(folder, key)
    lock.write_text("two")
    assert not setup.made(folder, setup.fingerprint(lock))


def test_a_broken_download_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    setup.replace(folder, setup.fresh(folder), "whole")
    (setup.fresh(folder) / "half a file").touch()
    assert setup.made(folder, "whole")


def test_the_npm_lock_names_no_registry_and_pins_by_hash() -> None:
    lock = json.loads((setup.DOWNLOADS / "clickhouse/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for entry in packages.values():
        assert "resolved" not in entry
        assert entry["integrity"].startswith("sha512-")
