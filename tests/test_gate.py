from __future__ import annotations

from contextlib import ExitStack

import pytest

from arena.gate import AlreadyInside, Busy, Closed, Gate


def test_the_first_are_inside_and_the_others_wait_in_order() -> None:
    gate = Gate(places=2, waiting=2)
    with ExitStack() as stack:
        line = [stack.enter_context(gate.stand_in_line(f"voter {number}")) for number in range(4)]
        assert [ahead() for ahead in line] == [0, 0, 1, 2]


def test_who_leaves_lets_the_next_one_in() -> None:
    gate = Gate(places=1, waiting=2)
    with ExitStack() as first, ExitStack() as second, ExitStack() as third:
        line = [
            stack.enter_context(gate.stand_in_line(name))
            for name, stack in (("ann", first), ("bob", second), ("cyd", third))
        ]
        second.close()
        assert [line[0](), line[2]()] == [0, 1]
        first.close()
        assert line[2]() == 0


def test_a_full_line_turns_people_away_until_somebody_leaves() -> None:
    gate = Gate(places=1, waiting=0)
    with gate.stand_in_line("ann"):
        for _ in range(2):
            with pytest.raises(Busy):
                gate.stand_in_line("bob").__enter__()
    with gate.stand_in_line("bob") as ahead:
        assert ahead() == 0


def test_an_error_inside_gives_the_place_back() -> None:
    gate = Gate(places=1, waiting=0)
    with pytest.raises(LookupError), gate.stand_in_line("ann"):
        raise LookupError
    with gate.stand_in_line("ann") as ahead:
        assert ahead() == 0


def test_nobody_stands_in_line_twice() -> None:
    gate = Gate(places=2, waiting=2)
    with gate.stand_in_line("ann"):
        with pytest.raises(AlreadyInside):
            gate.stand_in_line("ann").__enter__()
        with gate.stand_in_line("bob") as ahead:
            assert ahead() == 0
    with gate.stand_in_line("ann") as ahead:
        assert ahead() == 0


def test_a_closed_gate_lets_nobody_in_and_everybody_inside_finish() -> None:
    gate = Gate(places=1, waiting=2)
    with ExitStack() as first, ExitStack() as second:
        ann = first.enter_context(gate.stand_in_line("ann"))
        bob = second.enter_context(gate.stand_in_line("bob"))
        assert (gate.inside, gate.waiting, gate.closed) == (1, 1, False)
        gate.close()
        assert gate.closed
        with pytest.raises(Closed):
            gate.stand_in_line("cyd").__enter__()
        with pytest.raises(Closed):
            bob()
        assert ann() == 0
        first.close()
        with pytest.raises(Closed):  # the place that has become free is not taken any more
            bob()
    assert (gate.inside, gate.waiting) == (0, 0)


@pytest.mark.integrity
def test_one_network_fills_no_more_than_half_of_the_line_however_many_voters_it_makes_up() -> None:
    gate = Gate(places=2, waiting=4)
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(gate.stand_in_line(f"rigger {number}", "here"))
        for number in range(20):
            with pytest.raises(Busy):
                gate.stand_in_line(f"rigger {number} again", "here").__enter__()
        stack.enter_context(gate.stand_in_line("ann", "elsewhere"))
        stack.enter_context(gate.stand_in_line("bob"))  # of whom nobody asks where from
    for number in range(3):  # all have left, and their places with them
        with gate.stand_in_line(f"rigger {number}", "here") as ahead:
            assert ahead() == 0


def test_without_a_network_one_may_fill_the_line() -> None:
    gate = Gate(places=2, waiting=4)
    with ExitStack() as stack:
        line = [stack.enter_context(gate.stand_in_line(f"voter {number}")) for number in range(6)]
        assert [ahead() for ahead in line] == [0, 0, 1, 2, 3, 4]
