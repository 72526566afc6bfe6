"""What a version of the rules changes: by what the files say, not by how they are written."""

from riskstream.rule_changes import reused_versions, rule_changes, same, text_diff

GAS = """
standard: gas
version: 1
rules:
  - id: gas.low
    below: {blue: 1.8, red: 0.8}
    for: 30s
  - id: gas.high
    above: {red: 3}
"""
CHANGED = GAS.replace("blue: 1.8", "blue: 1.7").replace("version: 1", "version: 2")


def said(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [line.strip() for change in rule_changes(before, after) for line in change.lines()]


def test_added_removed_and_changed_rules_are_named_with_what_differs() -> None:
    without = GAS[: GAS.index("  - id: gas.high")] + "  - id: gas.new\n    above: {red: 1}\n"
    assert said({"gas.yaml": GAS}, {"gas.yaml": without}) == ["removed  gas.high", "added    gas.new"]
    assert said({"gas.yaml": GAS}, {"gas.yaml": CHANGED}) == ["changed  gas.low", "below.blue: 1.8 → 1.7"]
    assert said({"gas.yaml": GAS}, {"gas.yaml": GAS.replace("    for: 30s\n", "")}) == [
        "changed  gas.low", "for: 30s → (none)",
    ]  # fmt: skip


def test_couplings_and_zone_settings_are_named_too() -> None:
    couplings = "standard: m\nversion: 1\ncouplings:\n- {id: coupled.a, within: 5m}\n- {id: coupled.b}\n"
    zones = "standard: z\nversion: 1\ngraded: {blue: 20, red: 80}\nhysteresis: 5\n"
    before = {"couplings.yaml": couplings, "zones.yaml": zones}
    after = {
        "couplings.yaml": couplings.replace("5m", "6m").replace("coupled.b", "coupled.c"),
        "zones.yaml": zones.replace("version: 1", "version: 2").replace("blue: 20", "blue: 25"),
    }
    assert said(before, after) == [
        "changed  coupled.a", "within: 5m → 6m", "removed  coupled.b", "changed  zone.risk", "graded.blue: 20 → 25",
        "added    coupled.c",
    ]  # fmt: skip
    assert said(before, before) == []


def test_comments_layout_and_the_file_of_a_rule_do_not_count() -> None:
    written_otherwise = "# a comment\n" + GAS.replace("{blue: 1.8, red: 0.8}", "{red: 0.8, blue: 1.80}")
    assert said({"gas.yaml": GAS}, {"gas.yaml": written_otherwise}) == []
    assert same({"gas.yaml": GAS}, {"gas.yaml": written_otherwise})
    assert said({"gas.yaml": GAS}, {"other.yaml": GAS}) == []
    assert not same({"gas.yaml": GAS}, {"gas.yaml": CHANGED})


def test_a_version_of_a_standard_stands_for_one_text() -> None:
    without_version = GAS.replace("blue: 1.8", "blue: 1.7")
    (fault,) = reused_versions({"new.yaml": without_version}, {0: {"gas.yaml": GAS}, 1: {"gas.yaml": CHANGED}})
    assert fault.startswith("new.yaml: version 1 of gas said something else in version 0 of the rules (gas.yaml);")
    assert reused_versions({"gas.yaml": CHANGED}, {0: {"gas.yaml": GAS}, 1: {"gas.yaml": CHANGED}}) == []
    assert reused_versions({"gas.yaml": GAS}, {0: {"gas.yaml": GAS}, 1: {"gas.yaml": CHANGED}}) == []


def test_the_text_is_a_unified_diff() -> None:
    lines = text_diff({"gas.yaml": GAS}, {"gas.yaml": CHANGED}, ("version 1", "version 2")).splitlines()
    assert lines[:2] == ["--- version 1/gas.yaml", "+++ version 2/gas.yaml"]
    assert "-version: 1" in lines
    assert "+version: 2" in lines
