"""One queue and one task for each partition: what waits in one of them holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Lanes(Generic[K, T]):
    """Gives the items of each key to `handle` in order, one at a time; those of different keys side by side.

    `failed` is called with what `handle` raised; the lane has then ended.
    """

    def __init__(
        self, handle: Callable[[T], Awaitable[None]], failed: Callable[[T, Exception], None], most: int = 200
    ) -> None:
        self._handle = handle
        self._failed = failed
        self._most = most
        self._lanes: dict[K, tuple[asyncio.Queue[T], asyncio.Task[None]]] = {}

    async def put(self, key: K, item: T) -> None:
        """Queue an item; waits while `most` items of its key are queued."""
        if key not in self._lanes:
            queue: asyncio.Queue[T] = asyncio.Queue(self._most)
            self._lanes[key] = (queue, asyncio.create_task(self._run(queue), name=f"lane {key}"))
        await self._lanes[key][0].put(item)

    def clear(self, keys: Collection[K]) -> None:
        """Drop what is queued under these keys; what is being handled goes on."""
        for key in keys:
            if key in self._lanes:
                queue = self._lanes[key][0]
                while not queue.empty():
                    queue.get_nowait()

    async def _run(self, queue: asyncio.Queue[T]) -> None:
        while True:
            item = await queue.get()
            try:
                await self._handle(item)
            except Exception as error:
                self._failed(item, error)
                return
