"""What a training took is counted once, over all its parts."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from models.distill.run import Spent
from models.distill.tally import Tally
from models.energy import CounterError


def batch(tokens: int, counted: int, length: int) -> dict[str, Any]:
    return {"input_ids": SimpleNamespace(shape=(1, length)), "tokens": tokens, "counted_tokens": counted}


def counter(*joules: float) -> Callable[[], float]:
    """A meter that shows these, one after the other, and is broken then."""
    left = iter(joules)

    def read() -> float:
        value = next(left, None)
        if value is None:
            raise CounterError("gone")
        return value

    return read


def test_tokens_and_flops_add_up_to_what_a_checkpoint_had_counted() -> None:
    tally = Tally(Spent(tokens=10, counted_tokens=4, flops=100.0, seconds=5.0), lambda tokens, met: tokens * met, None)
    given = batch(3, 2, 8)
    tally.take(given)
    assert set(given) == {"input_ids"}  # the model is not asked about the counts
    spent = tally.spent()
    assert (spent.tokens, spent.counted_tokens, spent.flops) == (13, 6, 124.0)
    assert spent.seconds >= 5.0
    assert spent.joules is None


def test_energy_counts_from_the_beginning_of_the_steps_on() -> None:
    tally = Tally(Spent(), lambda tokens, met: 0.0, counter(100.0, 150.0, 170.0, 200.0))
    tally.begin()
    tally.take(batch(1, 1, 1))
    assert tally.spent().joules == pytest.approx(20.0)
    assert tally.spent().joules == pytest.approx(50.0)


def test_a_part_whose_energy_nobody_counted_leaves_the_sum_unknown() -> None:
    gone_on = Tally(Spent(tokens=5, seconds=2.0, joules=None), lambda tokens, met: 0.0, counter(1.0, 2.0))
    assert gone_on.spent().joules is None
    broken = Tally(Spent(tokens=5, seconds=2.0, joules=7.0), lambda tokens, met: 0.0, counter(1.0, 2.0))
    assert broken.spent().joules == pytest.approx(8.0)
    assert broken.spent().joules is None
    assert broken.spent().joules is None
