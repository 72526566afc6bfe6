"""`python -m tests.chaos.mutated TRAP COMMAND …`: a `riskstream` command with a known trap put back into it.

Nothing in the product can switch these on. They show that the suite sees what each trap does: a suite that passes with
the traps in place proves nothing.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any


def acknowledge_before_kafka() -> None:
    """The gateways acknowledge when they have handed readings to the producer, not when Kafka has them."""
    from ingest.tickets import Ticket

    def expect(self: Ticket) -> None:
        """Nobody waits for the parts: the seal alone settles the ticket."""

    def settle(self: Ticket, error: str | None = None) -> None:
        if self._pending > 0 and error is None:
            self._pending = 0
            self._done(self)

    Ticket.expect = Ticket.expect  # type: ignore[method-assign]
    Ticket.expect, Ticket.seal = expect, settle  # type: ignore[method-assign,assignment]
    Ticket.settle = lambda self, error=None: None  # type: ignore[method-assign,assignment]


def no_deduplication_token() -> None:
    """Each insert has a token of its own, so that a repeated one is stored a second time."""
    import sinks.writer

    insert, numbers = sinks.writer.insert, itertools.count()

    def unique(client: Any, table: str, columns: Any, token: str) -> int:
        return insert(client, table, columns, f"{token}:{os.getpid()}:{next(numbers)}")

    sinks.writer.insert = unique  # type: ignore[attr-defined]


def take() -> None:
    """The processor reads by `take()`, which acknowledges when the body ends, whatever became of the records.

    Neither is it set back to its checkpoint then: the guard that would find the gap is gone, too.
    """
    import processors.processor_app as app

    def agent(kind: str, lanes: Any) -> Callable[[Any], Any]:
        async def judge(stream: Any) -> None:
            async for events in stream.take_events(100, within=0.2):
                for event in events:
                    await lanes.put((kind, event.message.partition), event)

        return judge

    app._agent = agent
    _without_the_guard()


def concurrency_2() -> None:
    """Two tasks judge the records of a partition side by side, and neither looks for a gap."""
    import asyncio

    from processors.lanes import Lanes

    async def put(self: Any, key: Any, item: Any) -> None:
        if key not in self._lanes:
            queue: asyncio.Queue[Any] = asyncio.Queue(self._most)
            tasks = [asyncio.create_task(self._run(queue)) for _ in range(2)]
            self._lanes[key] = (queue, tasks)
        await self._lanes[key][0].put(item)

    Lanes.put = put  # type: ignore[method-assign]
    _without_the_guard()


def _without_the_guard() -> None:
    """Records that did not come are not missed: each is judged as if it followed the one before."""
    from processors.worker import Worker

    whole = Worker.take

    async def guardless(self: Any, record: Any) -> None:
        place = self._places.get((record.kind, record.partition))
        if place is not None and record.offset > place.partition.applied:
            place.expected = record.offset
        await whole(self, record)

    Worker.take = guardless  # type: ignore[method-assign]


TRAPS: dict[str, Callable[[], None]] = {
    "acknowledge-before-kafka": acknowledge_before_kafka,
    "no-deduplication-token": no_deduplication_token,
    "take": take,
    "concurrency-2": concurrency_2,
}


def main() -> None:
    """Exits with 2 for an unknown trap."""
    trap = sys.argv.pop(1)
    if trap not in TRAPS:
        sys.exit(f"no trap is called {trap!r}; there are: {', '.join(TRAPS)}")
    TRAPS[trap]()
    from riskstream.main import main as riskstream

    sys.argv[0] = "riskstream"
    riskstream()


if __name__ == "__main__":
    main()
