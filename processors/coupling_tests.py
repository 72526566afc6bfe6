"""Runs the stories that stand beside the couplings, in `couplings.test.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from processors.core.cases import CaseError
from processors.core.coupling import CouplingSet
from processors.core.coupling.cases import CouplingCaseFile, CouplingOutcome, run_coupling_case
from processors.couplings import coupling_files
from processors.ruleset import TEST_SUFFIX, Fault, RuleError, read_yaml, validate

TEST_FILE = "couplings.test.yaml"


@dataclass(frozen=True, slots=True)
class PlayedCoupling:
    """A story that was played: where it stands, and what it gave."""

    file: str
    line: int
    outcome: CouplingOutcome


def play_coupling_tests(paths: Iterable[Path] | None, couplings: CouplingSet) -> Iterator[PlayedCoupling]:
    """Play the stories of files and folders (by default the shipped ones).

    Raises `RuleError` for a file that cannot be read, or a story that cannot be played.
    """
    for path in coupling_files(paths, TEST_FILE):
        document = read_yaml(path)
        for number, case in enumerate(validate(CouplingCaseFile, document, path).tests):
            line, _ = document.location(("tests", number))
            try:
                yield PlayedCoupling(str(path), line, run_coupling_case(case, couplings))
            except CaseError as error:
                line, column = document.location(("tests", number, error.key))
                field = f"tests[{case.name}].{error.key}"
                raise RuleError([Fault(str(path), line, column, field, str(error))]) from None


def beside(paths: Iterable[Path]) -> list[Path]:
    """Where the stories of paths are: in the folders, and beside files of couplings."""
    return [
        path if path.is_dir() or path.name.endswith(TEST_SUFFIX) else path.with_name(path.stem + TEST_SUFFIX)
        for path in paths
    ]


def untested_couplings(couplings: CouplingSet, played: Iterable[PlayedCoupling]) -> dict[str, str]:
    """By coupling: what its stories lack. Each needs one that raises it and one that does not."""
    raised: set[str] = set()
    quiet: set[str] = set()
    for story in played:
        case = story.outcome.case
        (raised if case.expect else quiet).add(case.coupling)
    lacks = {}
    for coupling in couplings:
        parts = ["no story raises it"] if coupling.id not in raised else []
        parts += ["no story expects nothing (`expect: []`)"] if coupling.id not in quiet else []
        if parts:
            lacks[coupling.id] = "; ".join(parts)
    return lacks
