from __future__ import annotations

import numpy as np
import pytest
from verdicts import voted

from arena.judge.agreement import Concord, agreement_of, concord


def cohen(table: list[list[int]]) -> float:
    """Cohen's kappa as in the textbook, of a table and its mirror image: a and b change names."""
    whole = np.array(table, float)
    mirrored = [1, 0, 2][: len(whole)]
    whole = whole + whole[np.ix_(mirrored, mirrored)]
    whole /= whole.sum()
    observed, chance = np.trace(whole), float(whole.sum(1) @ whole.sum(0))
    return float((observed - chance) / (1 - chance))


def of(table: list[list[int]]) -> Concord:
    found = concord(np.array(table, float))
    assert found is not None
    return found


def test_kappa_is_what_is_computed_by_hand() -> None:
    """30 of 50 agree; either says tie in 10 of 50: chance is 0.8 · 0.8 / 2 + 0.2 · 0.2 = 0.36."""
    found = of([[14, 4, 2], [4, 12, 4], [2, 4, 4]])
    assert (found.battles, found.raw.value) == (50, 0.6)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx((0.6 - 0.36) / (1 - 0.36))


@pytest.mark.parametrize("table", [[[14, 4, 2], [9, 12, 4], [2, 7, 4]], [[30, 2, 0], [1, 3, 0], [5, 5, 1]]])
def test_kappa_is_cohens_of_battles_counted_from_both_sides(table: list[list[int]]) -> None:
    found = of(table)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(cohen(table))
    assert found.kappa.low < found.kappa.value < found.kappa.high


def test_without_ties_kappa_is_twice_the_agreement_less_one() -> None:
    found = of([[30, 10, 0], [5, 15, 0], [0, 0, 0]])
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(2 * 45 / 60 - 1)


def test_a_judge_that_agrees_by_chance_has_no_kappa_to_speak_of(rng: np.random.Generator) -> None:
    table = np.zeros((3, 3))
    np.add.at(table, (rng.choice(3, 400, p=[0.5, 0.3, 0.2]), rng.choice(3, 400, p=[0.45, 0.45, 0.1])), 1)
    found = concord(table)
    assert found is not None
    assert found.kappa is not None
    assert found.kappa.low < 0 < found.kappa.high


def test_a_pair_of_unequal_strength_does_not_hide_agreement() -> None:
    """Everybody always prefers the same contestant: by labels chance would explain all, by sides nothing of it."""
    found = of([[40, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert found.kappa is not None
    assert found.kappa.value == 1


def test_where_everybody_only_says_tie_there_is_no_kappa() -> None:
    found = of([[0, 0, 0], [0, 0, 0], [0, 0, 9]])
    assert (found.raw.value, found.kappa) == (1, None)


def test_verdicts_are_joined_and_both_bad_is_a_tie() -> None:
    rows = [
        voted("a", "a", "a"), voted("b", "a", "b"), voted("both_bad", "tie", "tie"), voted("tie", "b"),
        voted("a", "a", None), voted("b", "b", "b", category="coding"),
    ]  # fmt: skip
    found = agreement_of(rows, "Owl")
    assert found is not None
    assert found.table == ((1, 0, 0), (0, 1, 1), (0, 1, 1))
    assert (found.with_ties.battles, found.with_ties.raw.value, found.failed) == (5, 0.6, 1)
    assert found.without_ties is not None
    assert (found.without_ties.battles, found.without_ties.raw.value) == (2, 1)
    assert [(name, one.battles) for name, one in found.by_category] == [("generic", 4), ("coding", 1)]
    assert [(name, one.battles) for name, one in found.by_category_without_ties] == [("generic", 1), ("coding", 1)]


def test_without_a_verdict_on_a_voted_battle_there_is_no_agreement() -> None:
    assert agreement_of([], "Owl") is None
    assert agreement_of([voted("a", None)], "Owl") is None
