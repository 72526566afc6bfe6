"""The pages under docs/kinds are what the kinds' files say, and their examples are valid readings."""

import json
import re

import pytest

from schemas.kind_docs import main, pages
from schemas.kinds import load_kinds


def test_the_pages_are_up_to_date() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("kind", load_kinds().values(), ids=lambda kind: kind.name)
def test_the_examples_name_only_fields_of_the_kind(kind) -> None:
    text = next(text for path, text in pages().items() if path.stem == kind.name)
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", text, re.S)]
    assert len(examples) == 2
    for example in examples:
        assert set(example) - {"sensor_id", "observed_at"} <= set(kind.field_names)
        assert set(example) & set(kind.field_names)
