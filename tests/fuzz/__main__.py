"""`python -m tests.fuzz`: malformed messages for both gateways, in process; prints the seed and the account."""

from __future__ import annotations

import argparse
import resource
import secrets
import sys
import time

from tests.fuzz.in_process import Fuzz, FuzzError

STEP = 20_000
MOST_GROWTH_MB = 100.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--first", type=int, default=0, help="number of the first message, to repeat one")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    fuzz, started, sent, grown_from = Fuzz(seed), time.monotonic(), 0, 0.0
    totals: dict[str, int] = {}
    reasons: dict[str, int] = {}
    try:
        for first in range(options.first, options.first + options.messages, STEP):
            tally = fuzz.run(first, min(first + STEP, options.first + options.messages))
            sent += tally.sent
            for target, found in ((totals, tally.outcomes), (reasons, tally.reasons)):
                for name, count in found.items():
                    target[name] = target.get(name, 0) + count
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            grown_from = grown_from or peak  # the first step has warmed everything up
            print(f"{sent} messages, {time.monotonic() - started:.0f} s, peak {peak:.0f} MB", flush=True)
    except FuzzError as error:
        print(error, file=sys.stderr)
        raise
    print(", ".join(f"{name} {count}" for name, count in sorted(totals.items())))
    print("reasons: " + ", ".join(f"{name} {count}" for name, count in sorted(reasons.items())))
    print(f"sent {sent} = {sum(totals.values())} accepted, rejected and refused")
    if peak - grown_from > MOST_GROWTH_MB:
        print(f"memory grew by {peak - grown_from:.0f} MB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
