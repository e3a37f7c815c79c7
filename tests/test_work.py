"""Many tasks, a few at a time."""

from __future__ import annotations

import asyncio

import pytest

from models.work import work_through

DEADLINE = 20.0


class Crew:
    """Counts who works at the same time."""

    def __init__(self, *, fail_at: int | None = None, hang_at: int | None = None) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.most = 0
        self._fail_at, self._hang_at = fail_at, hang_at
        self.hanging = asyncio.Event()

    async def do(self, task: int) -> None:
        self.begun.append(task)
        self.most = max(self.most, len(self.begun) - len(self.ended) - len(self.cancelled))
        try:
            await asyncio.sleep(0)
            if task == self._fail_at:
                raise RuntimeError(f"task {task}")
            if task == self._hang_at:
                self.hanging.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(task)
            raise
        self.ended.append(task)


@pytest.mark.parametrize("parallel", [1, 3, 16])
def test_every_task_is_done_once_and_never_more_at_once_than_allowed(parallel: int) -> None:
    crew = Crew()
    asyncio.run(asyncio.wait_for(work_through(range(12), crew.do, parallel), DEADLINE))
    assert sorted(crew.ended) == list(range(12))
    assert crew.begun == list(range(12))
    assert crew.most == min(parallel, 12)


def test_what_a_task_raises_is_raised_after_the_others_have_ended_and_nothing_new_begins() -> None:
    crew = Crew(fail_at=1, hang_at=0)
    with pytest.raises(RuntimeError, match="task 1"):
        asyncio.run(asyncio.wait_for(work_through(range(12), crew.do, 2), DEADLINE))
    assert crew.begun == [0, 1]
    assert crew.cancelled == [0]


def test_who_leaves_leaves_nothing_running() -> None:
    async def leave() -> Crew:
        crew = Crew(hang_at=3)
        work = asyncio.create_task(work_through(range(12), crew.do, 1))
        await crew.hanging.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return crew

    crew = asyncio.run(asyncio.wait_for(leave(), DEADLINE))
    assert crew.ended == [0, 1, 2]
    assert crew.cancelled == [3]


class Spent(Exception):
    """No more may be asked for."""


def test_what_is_under_way_ends_where_no_more_may_be_asked_for() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def do(number: int) -> None:
        begun.append(number)
        if number == 4:
            raise Spent("no more")
        await asyncio.sleep(0.001 * number)
        ended.append(number)

    with pytest.raises(Spent, match="no more"):
        asyncio.run(work_through(range(9), do, 3, (Spent,)))
    assert begun[:5] == [0, 1, 2, 3, 4]
    assert ended == [number for number in begun if number != 4]
