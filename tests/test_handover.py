from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from arena.gate import Waiting
from arena.ui.handover import Handover
from arena.view import View

VIEW = View("b1", "generating", ())


class Stream:
    """A stream that remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.views = self._views()

    async def _views(self) -> AsyncGenerator[View | Waiting, None]:
        try:
            while True:
                yield VIEW
        finally:
            self.closed.set()

    async def begun(self) -> AsyncGenerator[View | Waiting, None]:
        assert await anext(self.views) is VIEW
        return self.views


def test_what_was_left_is_taken_once_and_goes_on() -> None:
    async def play() -> None:
        handover, stream = Handover(), Stream()
        handover.leave("ann", "b1", await stream.begun())
        taken = handover.take("ann", "b1")
        assert taken is not None
        assert await anext(taken) is VIEW
        assert handover.take("ann", "b1") is None
        assert not stream.closed.is_set()
        await taken.aclose()

    asyncio.run(play())


def test_nobody_else_and_for_no_other_battle_takes_it() -> None:
    async def play() -> None:
        handover, stream = Handover(), Stream()
        handover.leave("ann", "b1", await stream.begun())
        assert handover.take("bob", "b1") is None
        assert handover.take("ann", "b2") is None
        assert handover.take(None, None) is None
        assert handover.take("ann", "b1") is not None
        await stream.views.aclose()

    asyncio.run(play())


def test_what_nobody_takes_is_closed() -> None:
    async def play() -> None:
        handover, stream = Handover(patience=0.01), Stream()
        handover.leave("ann", "b1", await stream.begun())
        await asyncio.wait_for(stream.closed.wait(), 10)
        assert handover.take("ann", "b1") is None

    asyncio.run(play())


def test_what_is_left_when_the_loop_ends_is_closed() -> None:
    async def play() -> Stream:
        handover, stream = Handover(), Stream()
        handover.leave("ann", "b1", await stream.begun())
        await asyncio.sleep(0)  # its expiry has begun
        return stream

    assert asyncio.run(play()).closed.is_set()


def test_a_taken_stream_s_expiry_does_not_touch_the_next_one() -> None:
    async def play() -> None:
        handover, first, second = Handover(), Stream(), Stream()
        handover.leave("ann", "b1", await first.begun())
        await asyncio.sleep(0)
        taken = handover.take("ann", "b1")
        handover.leave("ann", "b1", await second.begun())
        await asyncio.sleep(0.01)
        assert not second.closed.is_set()
        assert handover.take("ann", "b1") is second.views
        for stream in (taken, second.views):
            assert stream is not None
            await stream.aclose()

    asyncio.run(play())


def test_what_is_dropped_is_closed_at_once() -> None:
    async def play() -> None:
        handover, stream = Handover(), Stream()
        handover.leave("ann", "b1", await stream.begun())
        await handover.drop("bob")
        assert not stream.closed.is_set()
        await handover.drop("ann")
        assert stream.closed.is_set()
        assert handover.take("ann", "b1") is None

    asyncio.run(play())
