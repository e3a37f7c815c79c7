from __future__ import annotations

import numpy as np
import pytest
from verdicts import both, judgment

from arena.judge.bias import position_bias
from arena.judge.joined import compared


def test_consistency_and_places_are_counted_over_both_orders() -> None:
    found = position_bias(compared(both("a a b t f f f s at a")))
    assert found is not None
    assert found.consistency.value == pytest.approx(5 / 10)
    assert found.follows.value == pytest.approx(4 / 10)
    assert (found.to_first, found.to_second) == (3, 1)
    # 20 verdicts, 3 of them ties: of 17 decisions 4 (a a b a) + 6 (f f f) + 1 (at) are for the first place.
    assert found.first_place is not None
    assert found.first_place.value == pytest.approx(11 / 17)
    first, second, tie = 11 / 20, 6 / 20, 3 / 20
    assert found.chance == pytest.approx(2 * first * second + tie**2)


def test_a_judge_that_does_not_look_agrees_with_itself_as_often_as_chance_says(rng: np.random.Generator) -> None:
    rows = []
    for question in range(3000):
        for first, other in ("ab", "ba"):
            outcome = str(rng.choice([first, other, "tie"], p=[0.6, 0.25, 0.15]))
            rows.append(judgment(None, question=str(question), first=first, outcome=outcome))
    found = position_bias(compared(rows))
    assert found is not None
    assert found.chance == pytest.approx(2 * 0.6 * 0.25 + 0.15**2, abs=0.02)
    assert found.consistency.value == pytest.approx(found.chance, abs=0.03)


def test_a_lopsided_pair_is_no_excuse_for_chance() -> None:
    """A judge that finds one contestant better in both orders of every question has looked."""
    found = position_bias(compared(both("a " * 30)))
    assert found is not None
    assert (found.consistency.value, found.chance) == (1.0, 0.5)
    assert found.consistency.low > 0.8


def test_one_order_and_failures_measure_no_place() -> None:
    rows = [judgment(), judgment(question="2"), judgment(None, question="2", first="b", failed=True)]
    assert position_bias(compared(rows)) is None


def test_a_judge_that_only_says_tie_has_no_first_place() -> None:
    found = position_bias(compared(both("t t t")))
    assert found is not None
    assert found.first_place is None
    assert (found.consistency.value, found.chance) == (1.0, 1.0)
