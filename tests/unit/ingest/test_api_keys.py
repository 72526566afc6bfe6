from pathlib import Path

import pytest

from ingest.api_keys import KeyFile, KeysError, new_key, read_keys

HASH = "ab" * 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gasworks", "keys:1: must be"),
        ("# keys\n\ngasworks 1234", "keys:3: must be"),
        (f"gas/works {HASH}", "must be"),
        (f"a {HASH}\na {HASH}", "keys:2: the name 'a' stands twice"),
        (f"a {HASH} zones=x", "not a scope"),
        (f"a {HASH} kinds=", "not a scope"),
    ],
)
def test_a_wrong_line_is_named(text: str, said: str) -> None:
    with pytest.raises(KeysError, match=said):
        read_keys(text, "keys")


def test_comments_and_scopes() -> None:
    one, two = read_keys(f"# all\na {HASH}  # note\n\nb {'cd' * 32} kinds=rainfall,water_level\n", "keys")
    assert (one.name, one.may_write("rainfall"), one.may_write("x")) == ("a", True, True)
    assert (two.name, two.may_write("rainfall"), two.may_write("x")) == ("b", True, False)


def test_a_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "keys"
    first, line = new_key("first")
    second, other = new_key("second")
    file.write_text(line)
    keys = KeyFile(file, clock=lambda: now)
    assert keys.find(first) is not None
    file.write_text(other + "\n")
    assert keys.find(second) is None  # looked at once a second at most
    now = 2.0
    assert keys.find(second) is not None
    assert keys.find(first) is None
    file.write_text("broken")
    now = 4.0
    assert keys.find(second) is not None
    file.unlink()
    now = 6.0
    assert keys.find(second) is not None


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="No such file"):
        KeyFile(tmp_path / "none")
