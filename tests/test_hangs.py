"""When a process counts as hanging; no process, no clock."""

from __future__ import annotations

from models.local.hangs import Hangs


def ticks_until_it_hangs(hangs: Hangs, *, busy: bool, most: int = 100) -> tuple[int, str]:
    for number in range(1, most + 1):
        if why := hangs.pass_tick(busy=busy):
            return number, why
    return 0, ""


def test_silence_counts_only_while_there_is_something_to_answer() -> None:
    assert ticks_until_it_hangs(Hangs(10, 100), busy=False) == (0, "")
    assert ticks_until_it_hangs(Hangs(10, 100), busy=True) == (11, "no sign of life for 10 s")


def test_a_word_ends_the_silence() -> None:
    hangs = Hangs(10, 100)
    assert not any(hangs.pass_tick(busy=True) for _ in range(10))
    hangs.hear()
    assert ticks_until_it_hangs(hangs, busy=True) == (12, "no sign of life for 10 s")


def test_so_does_an_idle_moment() -> None:
    hangs = Hangs(10, 100)
    assert not any(hangs.pass_tick(busy=True) for _ in range(10))
    assert not hangs.pass_tick(busy=False)
    assert ticks_until_it_hangs(hangs, busy=True)[0] == 11


def test_an_answer_that_nobody_waits_for_has_its_own_time_however_much_is_said() -> None:
    hangs = Hangs(100, 5)
    hangs.leave(7)
    for _ in range(5):
        hangs.hear()
        assert not hangs.pass_tick(busy=True)
    hangs.hear()
    assert hangs.pass_tick(busy=True) == "an answer not ended for 5 s"


def test_an_answer_that_ended_is_forgotten() -> None:
    hangs = Hangs(100, 5)
    hangs.leave(7)
    hangs.end(7)
    hangs.end(8)
    assert ticks_until_it_hangs(hangs, busy=False) == (0, "")


def test_a_tick_is_short_beside_either_limit() -> None:
    assert Hangs(60, 10).tick == 1
    assert Hangs(60, 2).tick == 0.5
    assert Hangs(0.4, 10).tick == 0.1
