"""How fast a server is asked that says when there are too many requests."""

from __future__ import annotations

import asyncio

import pytest

from arena.judge.pace import Pace

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
    monkeypatch.setattr("arena.judge.pace.time", clock)
    monkeypatch.setattr("arena.judge.pace.asyncio.sleep", clock.sleep)
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
