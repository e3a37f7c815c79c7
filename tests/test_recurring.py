"""Work that is done again and again, whatever becomes of it."""

from __future__ import annotations

import threading

import pytest

from arena.recurring import Recurring


def test_work_that_fails_is_told_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    failures = [RuntimeError("nobody foresaw this")]

    def work() -> float:
        if failures:
            raise failures.pop()
        done.set()
        return 0.01

    recurring = Recurring("sweeping", work)
    recurring.begin()
    assert done.wait(30)
    recurring.close()
    assert not recurring.running
    assert "sweeping" in caplog.text
    assert "nobody foresaw this" in caplog.text


def test_closing_ends_the_waiting_at_once_and_may_be_said_twice() -> None:
    called = threading.Event()

    def work() -> float:
        called.set()
        return 3600.0

    recurring = Recurring("sweeping", work)
    recurring.close()
    recurring = Recurring("sweeping", work)
    recurring.begin()
    assert called.wait(30)
    recurring.close()
    recurring.close()
    assert recurring.over
    assert not recurring.running
