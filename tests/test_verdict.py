from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.judge.verdict import Outcome, Said, Verdict, by_contestant, joined, joined_outcome, scored

SCORES = st.integers(0, 20).map(lambda halves: halves / 2)
OUTCOMES: tuple[Outcome, ...] = ("a", "b", "tie")


@pytest.mark.parametrize(("first", "second", "outcome"), [(9, 8.5, "first"), (0, 10, "second"), (7.5, 7.5, "tie")])
def test_two_scores_say_who_is_better(first: float, second: float, outcome: str) -> None:
    assert scored(first, second) == Said(first, second, outcome)  # type: ignore[arg-type]


def test_places_become_contestants_whoever_was_shown_first() -> None:
    assert by_contestant(scored(9, 4), "a") == Verdict(9, 4, "a")
    assert by_contestant(scored(9, 4), "b") == Verdict(4, 9, "b")
    assert by_contestant(Said(None, None, "second"), "b") == Verdict(None, None, "a")
    assert by_contestant(Said(None, None, "tie"), "b") == Verdict(None, None, "tie")


def test_one_answer_alone_has_one_score_and_no_outcome() -> None:
    said = by_contestant(Said(7, None, None), "a")
    assert said == Verdict(7, None, None)
    assert joined([said]) == said


@given(SCORES, SCORES)
def test_the_same_verdict_from_either_place_is_the_same_by_contestant(one: float, other: float) -> None:
    assert by_contestant(scored(one, other), "a") == by_contestant(scored(other, one), "b")


@pytest.mark.parametrize(("one", "other"), list(product(OUTCOMES, OUTCOMES)))
def test_orders_that_agree_give_their_outcome_and_all_others_a_tie(one: Outcome, other: Outcome) -> None:
    found = joined([Verdict(None, None, one), Verdict(None, None, other)])
    assert found == Verdict(None, None, one if one == other else "tie")
    assert joined_outcome([one, other]) == (one if one == other else "tie")


def test_scores_are_averaged_over_the_orders_also_where_they_disagree() -> None:
    assert joined([Verdict(8, 7, "a"), Verdict(6, 9, "b")]) == Verdict(7, 8, "tie")
    assert joined([Verdict(8, 7, "a"), Verdict(9, 8, "a")]) == Verdict(8.5, 7.5, "a")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_order_that_failed_leaves_no_verdict_and_is_never_a_tie(outcome: Outcome) -> None:
    assert joined([Verdict(1, 2, outcome), None]) is None
    assert joined([None, Verdict(1, 2, outcome)]) is None
    assert joined([None]) is None
    assert joined_outcome([outcome, None]) is None


def test_one_order_that_was_asked_alone_is_the_verdict() -> None:
    assert joined([Verdict(9, 4, "a")]) == Verdict(9, 4, "a")


def test_nothing_asked_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no order was asked"):
        joined([])
    with pytest.raises(ValueError, match="no order was asked"):
        joined_outcome([])
