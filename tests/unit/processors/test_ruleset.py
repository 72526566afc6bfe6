"""Rule files: every fault is told with file, line, column and field, and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.ruleset import RuleError, load_rules
from schemas.kinds import load_kinds

KINDS = load_kinds()

GOOD = """\
standard: test
version: 2
rules:
  - id: t.level
    kind: water_level
    where: {profile: river}
    value: 100 * level_m
    above: {blue: 10, red: attr.red_cm}
    for: {blue: 2 readings}
    clear: {below: 8, for: 10m}
    departments: [flood]
    source: a test
    confidence: low
"""


def faults(folder: Path, text: str, name: str = "r.yaml") -> list[str]:
    """The faults of a file, each without the folder's name."""
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as raised:
        load_rules([folder], KINDS)
    return [str(fault).replace(f"{folder}/", "") for fault in raised.value.faults]


def test_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "r.test.yaml").write_text("not: rules", encoding="utf-8")
    (rule,) = load_rules([tmp_path], KINDS)
    assert (rule.id, rule.version, rule.standard, rule.line, rule.levels) == ("t.level", 2, "test", 4, (1, 4))
    assert (str(rule.ladder.rises[0][1]), str(rule.ladder.rises[1][1]), str(rule.ladder.clear)) == (
        "2 readings",
        "0s",
        "10m",
    )
    assert rule.needs.optional == {"red_cm"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: water_level", "kind: water_levl",
         "r.yaml:5:11: rules[t.level].kind: `water_levl` is not a kind; did you mean `water_level`? kinds: bridge_strain,"),
        ("kind: water_level", 'kind: "*"', "r.yaml:5:11: rules[t.level].kind: `*` (every kind) is for `no_data` alone"),
        ("100 * level_m", "100 * levl_m",
         "r.yaml:7:12: rules[t.level].value: `levl_m` is not a field of water_level; did you mean `level_m`? fields: level_m;"
         " registry attributes are written attr.name\n    100 * levl_m\n          ^^^^^^"),
        ("100 * level_m", "100 * share(level_m, 10m)",
         "r.yaml:7:12: rules[t.level].value: `share` (the share of a zone's sensors) is not available in this version; available: mean, "),
        ("attr.red_cm", '"mean(level_m, 1m)"',
         "r.yaml:8:28: rules[t.level].above.red: only numbers and registry attributes (attr.name) are allowed here"),
        ("above: {blue: 10, red: attr.red_cm}", "above: {blue: 10, red: 5}",
         "r.yaml:8:28: rules[t.level].above.red: red (5) is reached before blue (10), so blue never would be;"
         " `above` must rise from blue to red"),
        ("above: {blue: 10, red: attr.red_cm}", "above: {blu: 10}",
         "r.yaml:8:13: rules[t.level].above.blu: 'blu' is not known; allowed: 'blue', 'yellow', 'orange' or 'red'"),
        ("above: {blue: 10, red: attr.red_cm}", "abov: {blue: 10}",
         "r.yaml:8:5: rules[t.level].abov: `abov` is not a key here; did you mean `above`? keys: id, version, title,"),
        ("    above: {blue: 10, red: attr.red_cm}\n", "",
         "r.yaml:4:5: rules[t.level]: no level is given; use above, below,"),
        ("    value: 100 * level_m\n", "", "r.yaml:4:5: rules[t.level]: `value` is missing: what do the thresholds compare?"),
        ("for: {blue: 2 readings}", "for: {yellow: 30s}",
         "r.yaml:4:5: rules[t.level]: `for` names yellow, but the rule has no such level; it has blue, red"),
        ("for: {blue: 2 readings}", "for: 30 sec",
         "r.yaml:4:5: rules[t.level]: '30 sec' is not understood; allowed: a number and ms, s, m, h or d"),
        ("for: 10m}", "for: 10}",
         "r.yaml:10:28: rules[t.level].clear.for: a length of time such as 30s or 2m, or `2 readings`, is needed"),
        ("clear: {below: 8,", "clear: {belo: 8,",
         "r.yaml:10:13: rules[t.level].clear.belo: `belo` is not a key here; did you mean `below`? keys: above, below,"),
        ("where: {profile: river}", "where: {profil: river}",
         "r.yaml:6:13: rules[t.level].where.profil: `profil` is not a key here; did you mean `profile`? keys: profile, zone,"),
        ("departments: [flood]", "departments: [floods]",
         "r.yaml:11:19: rules[t.level].departments[0]: `floods` is not a department; did you mean `flood`? departments:"),
        ("confidence: low", "confidence: certain",
         "r.yaml:13:17: rules[t.level].confidence: 'certain' is not allowed; allowed: 'high', 'medium' or 'low'"),
        ("    source: a test\n", "", "r.yaml:4:5: rules[t.level]: `source` is missing"),
        ("id: t.level", "id: Level", "r.yaml:4:9: rules[Level].id: 'Level' is not allowed; it must match"),
        ("version: 2", "version: two", "r.yaml:2:10: version: Input should be a valid integer, not 'two'"),
        ("    source: a test\n", "    source: a\n    no_data: {blue: 2m}\n",
         "r.yaml:4:5: rules[t.level]: `no_data` stands alone, without `value`: it ends with the next reading"),
        ("    source: a test\n", "    source: a\n    nights: {at_least: 2, of: 3}\n",
         'r.yaml:13:13: rules[t.level].nights: `nights` needs one hours("…") in the expressions'),
        ("    source: a test\n", "    source: a\n    nights: {at_least: 4, of: 3}\n",
         "r.yaml:13:13: rules[t.level].nights: at_least (4) is more than of (3)"),
        ("    source: a test\n", "    source: a\n    source: b\n", "r.yaml:13:5: the key `source` is given twice"),
        ("where: {profile", "where: {{profile", "r.yaml:"),
        ("100 * level_m", "level_m\n    below: {red: 300}", "r.yaml:8:18: rules[t.level].below.red: overlaps: every value between"),
        ("100 * level_m", "level_m\n    below: {red: -13000}",
         "r.yaml:8:18: rules[t.level].below.red: red is never reached: level_m is from -12000 to 12000 m"),
        ("100 * level_m", "level_m\n    outside: {blue: [0, 5], yellow: [1, 6]}",
         "r.yaml:8:37: rules[t.level].outside.yellow: yellow (1) is reached before blue (0), so blue never would be"),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    said = faults(tmp_path, GOOD.replace(old, new))
    assert len(said) == 1, said
    assert said[0].startswith(expected)


def test_an_expression_torn_at_its_comma(tmp_path: Path) -> None:
    said = faults(tmp_path, GOOD.replace("{below: 8,", "{when: mean(level_m, 1m) < 3,"))
    assert said == [
        "r.yaml:10:33: rules[t.level].clear.1m) < 3: `1m) < 3` is not a key here; "
        "inside { } or [ ], an expression that has a comma must be in quotes"
    ]


def test_all_faults_of_all_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("level_m", "a").replace("[flood]", "[x]"), encoding="utf-8")
    said = faults(tmp_path, GOOD.replace("t.level", "t.b").replace("river}", "river, x: 1}"))
    assert [fault.split(": ")[0] for fault in said] == ["a.yaml:11:19", "a.yaml:7:12", "r.yaml:6:29"]


def test_a_rule_is_defined_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (fault,) = faults(tmp_path, GOOD)
    assert fault == "r.yaml:4:1: id: the rule t.level is already in a.yaml:4"


def test_couplings_are_refused_not_ignored(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, GOOD + "couplings: []\n")
    assert fault == "r.yaml:14:1: couplings: `couplings` (couplings) is not available in this version"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no such file or folder of rules"):
        load_rules([tmp_path / "none.yaml"], KINDS)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleError, match=r"bytes.yaml:1:1: not readable"):
        load_rules([tmp_path / "bytes.yaml"], KINDS)


@pytest.mark.parametrize(
    "text", ["", "[]", "rules", "rules: []\nstandard: a\nversion: 1", "rules: [1]\nstandard: a\nversion: 1"]
)
def test_what_is_no_file_of_rules(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)
