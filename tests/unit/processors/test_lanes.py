"""Lanes: order within a key, no waiting across keys, an end that is told."""

import asyncio

import pytest

from processors.lanes import Lanes


def test_a_key_that_waits_holds_up_no_other() -> None:
    async def scene() -> list[tuple[str, int]]:
        gate, done, seen = asyncio.Event(), asyncio.Event(), list[tuple[str, int]]()

        async def handle(item: tuple[str, int]) -> None:
            if item == ("a", 0):
                await gate.wait()
            seen.append(item)
            if item == ("b", 2):
                gate.set()
            if item == ("a", 2):
                done.set()

        lanes: Lanes[str, tuple[str, int]] = Lanes(handle, lambda item, error: pytest.fail(f"{item}: {error}"))
        for number in range(3):
            for key in "ab":
                await lanes.put(key, (key, number))
        await done.wait()
        return seen

    assert asyncio.run(scene()) == [("b", 0), ("b", 1), ("b", 2), ("a", 0), ("a", 1), ("a", 2)]


def test_a_full_key_makes_who_puts_wait_and_clear_drops_what_is_queued() -> None:
    async def scene() -> list[int]:
        gate, seen, handled = asyncio.Event(), list[int](), asyncio.Event()

        async def handle(item: int) -> None:
            await gate.wait()
            seen.append(item)
            if item == 9:
                handled.set()

        lanes: Lanes[str, int] = Lanes(handle, lambda item, error: pytest.fail(f"{item}: {error}"), most=2)
        await lanes.put("a", 0)
        await asyncio.sleep(0)  # the lane takes it
        await lanes.put("a", 1)
        await lanes.put("a", 2)
        blocked = asyncio.create_task(lanes.put("a", 3))
        await asyncio.sleep(0)
        assert not blocked.done()
        lanes.clear(["a", "unknown"])
        await blocked
        lanes.clear(["a"])
        gate.set()
        await lanes.put("a", 9)
        await handled.wait()
        return seen

    assert asyncio.run(scene()) == [0, 9]


def test_what_is_raised_is_told_with_its_item() -> None:
    async def scene() -> tuple[int, str]:
        told: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

        async def handle(item: int) -> None:
            raise ValueError(f"no {item}")

        lanes: Lanes[str, int] = Lanes(handle, lambda item, error: told.set_result((item, str(error))))
        await lanes.put("a", 7)
        return await told

    assert asyncio.run(scene()) == (7, "no 7")
