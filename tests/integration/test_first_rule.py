"""The last step of the guide docs/rules/first-rule.md, on a real Kafka: the rule that it writes is applied."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from processors.ruleset import SHIPPED, load_rules
from schemas.rule_versions import RULES_TOPIC, RuleFiles
from tests.integration.docs_examples import examples, run_example
from tests.integration.processing import KINDS, prepare
from tests.stack import Space

pytestmark = pytest.mark.stack


def test_the_rule_of_the_guide_is_applied_beside_the_shipped_ones(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    environment = {**log.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    page = [command for command, _ in examples("rules/first-rule.md")]
    writing = [command for command in page if re.search(r"pressure(\.test)?\.yaml$", command, re.M) or "END" in command]
    files = "\n".join(one for one in writing if "riskstream replay" not in one and "rules apply" not in one)
    run_example(f"cd {tmp_path}\n{files}", environment)
    dry, history = (next(one for one in page if word in one) for word in ("rules apply", "rules history"))
    said = run_example(f"cd {tmp_path}; set -e\n{dry}", environment)
    assert "water.pressure.falls" in said
    assert "dry run: nothing is applied\n" in said
    assert said.endswith("applied as version 1\n")
    said = run_example(f"cd {tmp_path}; set -e\n{history}", environment)
    assert "my first rule" in said
    assert "version 0 is applied as version 2\n" in said
    versions = [RuleFiles.decode(one.value) for one in log.read(RULES_TOPIC)]
    assert [one.version for one in versions] == [1, 2]
    assert {"pressure.yaml", *(path.name for path in SHIPPED.glob("*.yaml"))} >= set(versions[0].files)
    assert versions[0].files.keys() - versions[1].files.keys() == {"pressure.yaml"}
    rules = load_rules([tmp_path / "pressure.yaml"], KINDS)
    assert [rule.level_words for rule in rules] == [("yellow", "orange")]
