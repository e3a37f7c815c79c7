"""Many tasks, a few at a time, and fewer where a server says that they are too many."""

from __future__ import annotations

import asyncio

import pytest

from arena.judge.work import Pace, work_through

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


# -- a server that says so -----------------------------------------------------------------------

BEGIN = 100.0


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = BEGIN

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("arena.judge.work.time", clock)
    monkeypatch.setattr("arena.judge.work.asyncio.sleep", clock.sleep)
    return clock


def sent(pace: Pace) -> float:
    return asyncio.run(pace.turn())


def test_nobody_waits_before_the_first_refusal(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    assert [sent(pace) for _ in range(100)] == [BEGIN] * 100


def test_requests_refused_together_slow_the_others_down_once(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    for one in [sent(pace) for _ in range(16)]:
        assert pace.refused(one, 0)
    assert [sent(pace) for _ in range(3)] == [BEGIN + 1, BEGIN + 2, BEGIN + 3]


def test_all_wait_as_long_as_the_server_says(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    assert pace.refused(sent(pace), 30)
    assert [sent(pace) for _ in range(2)] == [BEGIN + 30, BEGIN + 31]


def test_the_gap_grows_with_refusals_up_to_the_longest_and_goes_with_answers(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=1000.0)
    for _ in range(20):
        assert pace.refused(sent(pace), 0)
    first, second = sent(pace), sent(pace)
    assert second - first == 8.0
    for _ in range(40):
        pace.answered(sent(pace))
    assert sent(pace) == sent(pace)


def test_an_answer_to_what_was_sent_before_a_refusal_changes_no_gap(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    early = [sent(pace) for _ in range(16)]
    clock.now += 5
    assert pace.refused(sent(pace), 0)
    for one in early:
        pace.answered(one)
    first, second = sent(pace), sent(pace)
    assert second - first == 1.0


def test_a_server_that_refuses_everything_is_given_up_and_those_who_wait_find_out_at_once(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    while pace.refused(sent(pace), 0):
        assert clock.now <= BEGIN + 60 + 8
    assert clock.now > BEGIN + 60
    assert sent(pace) == sent(pace) == clock.now


def test_an_answer_now_and_then_keeps_a_server_from_being_given_up(clock: Clock) -> None:
    pace = Pace(gap=1.0, longest=8.0, patience=60.0)
    for _ in range(20):
        for _ in range(5):
            assert pace.refused(sent(pace), 8)
        pace.answered(sent(pace))
