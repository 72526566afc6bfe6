"""How many bytes each client, and all of them together, have in flight; and who is over their share."""

from __future__ import annotations

from collections.abc import Callable

from ingest.http_answers import Refused, retry_after


class Shares:
    """Bytes count from when they are read until their request is answered."""

    def __init__(self, a_client: int, all_clients: int, elsewhere: Callable[[], int]) -> None:
        self._a_client = a_client
        self._all = all_clients
        self._elsewhere = elsewhere
        self._by_client: dict[str, int] = {}
        self._total = 0

    def take(self, client: str, size: int, expected: int = 0) -> None:
        """Raises Refused: 429 when the client is over its share, 503 when the gateway is full.

        `expected` bytes are announced but not counted yet. A client with nothing in flight is never over its share.
        """
        mine = self._by_client.get(client, 0)
        if mine and mine + size + expected > self._a_client:
            detail = f"{client} has {mine} bytes in flight; its share is {self._a_client}"
            raise Refused(429, "over_share", detail, retry_after(1))
        if self._total and self._total + self._elsewhere() + size + expected > self._all:
            raise Refused(503, "busy", "too many bytes wait for Kafka; try again", retry_after(2))
        if size:
            self._by_client[client] = mine + size
            self._total += size

    def give_back(self, client: str, size: int) -> None:
        left = self._by_client.get(client, 0) - size
        if left > 0:
            self._by_client[client] = left
        else:
            self._by_client.pop(client, None)
        self._total -= size
