from __future__ import annotations

import asyncio
import threading

import pytest

from arena.desk import Desk
from arena.gate import Busy


def test_one_is_served_the_next_waits_and_who_comes_then_is_sent_away() -> None:
    async def scene() -> list[int]:
        desk, door = Desk(places=1, waiting=1), threading.Event()
        order: list[int] = []

        def work(number: int) -> int:
            assert door.wait(20)
            order.append(number)
            return number

        first = asyncio.create_task(desk.serve(lambda: work(1)))
        second = asyncio.create_task(desk.serve(lambda: work(2)))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await desk.serve(lambda: work(3))
        door.set()
        assert [await first, await second] == [1, 2]
        assert await desk.serve(lambda: work(4)) == 4
        return order

    assert asyncio.run(scene()) == [1, 2, 4]


def test_what_the_work_raises_comes_out_and_gives_the_place_back() -> None:
    async def scene() -> int:
        desk = Desk(places=1, waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await desk.serve(lambda: 1 // 0)
        return await desk.serve(lambda: 7)

    assert asyncio.run(scene()) == 7
