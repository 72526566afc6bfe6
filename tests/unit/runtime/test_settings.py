"""Settings: a wrong one is named with its value and what is allowed."""

from pathlib import Path

import pytest

from runtime.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("RISKSTREAM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RISKSTREAM_PARTITIONS", "many", "RISKSTREAM_PARTITIONS is 'many': .*integer"),
        ("RISKSTREAM_PARTITIONS", "0", "RISKSTREAM_PARTITIONS is '0': .*greater than or equal to 1"),
        ("RISKSTREAM_TIMEZONE", "Mars/Olympus", "RISKSTREAM_TIMEZONE is 'Mars/Olympus': must be an IANA time zone"),
        ("RISKSTREAM_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("RISKSTREAM_PARTITION", "3", "RISKSTREAM_PARTITION is not a setting; did you mean RISKSTREAM_PARTITIONS?"),
        ("RISKSTREAM_CONFIG", "/nowhere.yaml", "RISKSTREAM_CONFIG is '/nowhere.yaml': not readable"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "riskstream.yaml"
    config.write_text("partitions: 4\ntimezone: Asia/Shanghai\nkinds_dirs: [/a, /b]\n")
    monkeypatch.setenv("RISKSTREAM_CONFIG", str(config))
    monkeypatch.setenv("RISKSTREAM_PARTITIONS", "6")
    settings = load_settings()
    assert (settings.partitions, settings.timezone) == (6, "Asia/Shanghai")
    assert settings.kinds_dirs == [Path("/a"), Path("/b")]


def test_an_unknown_name_in_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "riskstream.yaml"
    config.write_text("partition: 4\n")
    monkeypatch.setenv("RISKSTREAM_CONFIG", str(config))
    with pytest.raises(
        SettingsError, match="RISKSTREAM_PARTITION is not a setting; did you mean RISKSTREAM_PARTITIONS"
    ):
        load_settings()


def test_a_wrong_password_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "riskstream.yaml"
    config.write_text("clickhouse_password: [geheim]\n")
    monkeypatch.setenv("RISKSTREAM_CONFIG", str(config))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "geheim" not in str(caught.value)
