from __future__ import annotations

import pytest
from verdicts import both, judgment

from arena.judge.joined import compared, place_of, points


def test_two_orders_that_agree_are_one_verdict_and_scores_are_averaged() -> None:
    (one,) = compared([judgment((8.0, 6.0)), judgment((9.0, 8.5), first="b")])
    assert one.verdict is not None
    assert (one.verdict.score_a, one.verdict.score_b, one.verdict.outcome) == (8.5, 7.25, "a")
    assert one.points == 1


def test_two_orders_that_disagree_are_a_tie_though_scores_are_averaged() -> None:
    (one,) = compared([judgment((9.0, 5.0)), judgment((7.0, 8.0), first="b")])
    assert one.verdict is not None
    assert (one.verdict.score_a, one.verdict.score_b, one.verdict.outcome) == (8.0, 6.5, "tie")


def test_a_failed_order_leaves_no_verdict_and_no_tie() -> None:
    (one,) = compared([judgment((9.0, 5.0)), judgment(None, first="b", failed=True)])
    assert one.verdict is None
    with pytest.raises(ValueError, match="no outcome"):
        _ = one.points


def test_one_order_asked_is_a_verdict() -> None:
    (one,) = compared([judgment((9.0, 5.0))])
    assert one.points == 1


def test_questions_and_pairs_are_kept_apart() -> None:
    rows = [*both("a b"), *both("a", pair=("ant", "cat"))]
    assert [(one.question, one.a, one.b) for one in compared(rows)] == [
        ("0", "ant", "bee"), ("1", "ant", "bee"), ("0", "ant", "cat"),
    ]  # fmt: skip


def test_of_two_judgments_in_one_order_the_later_counts_unless_it_failed() -> None:
    (one,) = compared([judgment((9.0, 5.0)), judgment((4.0, 5.0)), judgment(None, failed=True)])
    assert one.points == 0


def test_a_verdict_is_for_the_place_where_its_contestant_stood() -> None:
    assert place_of(judgment(outcome="a", first="a")) == place_of(judgment(outcome="b", first="b")) == "first"
    assert place_of(judgment(outcome="a", first="b")) == "second"
    assert place_of(judgment((8.0, 8.0), first="b")) == "tie"
    assert (points("a"), points("b"), points("tie")) == (1, 0, 0.5)
