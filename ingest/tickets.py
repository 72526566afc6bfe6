"""A ticket stands for what one request or message brought, until Kafka has acknowledged all of it."""

from __future__ import annotations

from collections.abc import Callable


class Ticket:
    """Done when everything that was put under it is delivered, or failed; `done` is then called once.

    It is open until `seal`: so it is not done before all its parts are known.
    """

    __slots__ = ("_done", "_pending", "error")

    def __init__(self, done: Callable[[Ticket], None]) -> None:
        self._done = done
        self._pending = 1
        self.error: str | None = None

    def expect(self) -> None:
        """One more part that has to be delivered."""
        self._pending += 1

    def settle(self, error: str | None = None) -> None:
        """One part less: delivered, or lost with this error."""
        if error is not None and self.error is None:
            self.error = error
        self._pending -= 1
        if self._pending == 0:
            self._done(self)

    seal = settle
