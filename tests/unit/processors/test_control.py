"""Control records: what they say, and that nothing else is taken for one."""

import pytest

from processors.control import Control, ControlError, Word, parse_control


@pytest.mark.parametrize("control", [Control(Word.TICK), Control(Word.RULES, 12), Control(Word.MODE, 3)])
def test_text_and_back(control: Control) -> None:
    assert parse_control(str(control)) == control


@pytest.mark.parametrize("text", ["", "tock", "tick=1", "rules", "rules=", "rules=-1", "rules=1.5", "mode=٣", "=1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ControlError, match="allowed: tick, rules=<version>, mode=<version>"):
        parse_control(text)
