"""`python -m tests.chaos`: run the suite, print its table, write it as JSON and Markdown."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import tests.chaos.scenarios  # noqa: F401 - enters the scenarios
from tests.chaos import table
from tests.chaos.run import FULL, SHORT
from tests.chaos.servers import Servers
from tests.chaos.suite import SCENARIOS, run_scenario


def main(arguments: list[str] | None = None) -> int:
    """0 when every row holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="names, or parts of them; all by default")
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    parser.add_argument("--short", action="store_true", help="less load, shorter outages, fewer repetitions")
    parser.add_argument("--selection", action="store_true", help="only the scenarios that `make test` runs")
    parser.add_argument("--mutation", default="", help="put a trap back into the services (tests/chaos/mutated.py)")
    parser.add_argument("--out", type=Path, default=Path("chaos-report"), help="folder for chaos.json and chaos.md")
    parser.add_argument("--keep", type=Path, help="work in this folder, with all logs, and keep it")
    options = parser.parse_args(arguments)
    chosen = [
        one
        for one in SCENARIOS.values()
        if (not options.scenarios or any(part in one.name for part in options.scenarios))
        and (one.short or not options.selection)
    ]
    if options.list or not chosen:
        for one in SCENARIOS.values():
            print(f"{one.name:45} {one.title} [{one.hop}]{' (selection)' if one.short else ''}")
        return 0 if options.list else 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = options.keep or Path(tempfile.mkdtemp(prefix="riskstream-chaos-"))
    servers = Servers(folder / "servers")
    rows: list[table.Row] = []
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s {line}", flush=True)

    try:
        for number, one in enumerate(chosen, 1):
            say(f"[{number}/{len(chosen)}] {one.title}")
            row = run_scenario(one, servers, folder, SHORT if options.short else FULL, say, options.mutation)
            rows.append(row)
            say(f"  {'holds' if row.passed else 'FAILS: ' + row.failure}")
    finally:
        servers.stop()
        if rows:
            print("\n" + table.text(rows), flush=True)
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "chaos.json").write_text(table.as_json(rows), encoding="utf-8")
            (options.out / "chaos.md").write_text(table.markdown(rows), encoding="utf-8")
        if options.keep is None and all(row.passed for row in rows):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"logs: {folder}")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
