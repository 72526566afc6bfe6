"""The docs say nothing that is not there: links lead somewhere, commands and their options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from riskstream.main import main

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/**/*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"^(?:\$ | {4}|\s*)((?:RISKSTREAM_\w+=\S+ )*)(?:\.venv/bin/)?riskstream (.*)$")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def commands() -> list[tuple[str, str]]:
    """Every line of a code block that calls `riskstream`, with its page; continued lines are joined."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        blocks = re.findall(r"```(?:sh|bash|console|text)?\n(.*?)```", text, re.S)
        blocks += re.findall(r"(?:^|\n\n)((?: {4}.*\n)+)", text)
        for line in "\n".join(blocks).splitlines():
            match = _COMMAND.match(line)
            if match and not match[2].startswith(("demo:", "sql>")):
                found.append((page.name, match[2]))
    return found


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 5


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_exist_with_their_options(page: str, line: str) -> None:
    words = shlex.split(line.split(" | ")[0].split(" > ")[0].split(" < ")[0].split(" && ")[0], comments=True)
    command: click.Command = main
    context = click.Context(main, info_name="riskstream")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{page}: riskstream {line}: there is no {words[0]!r}"
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
        if not words:
            break
    command.make_parser(context).parse_args(words)
