from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from verdicts import both, judgment

from arena.judge.bias import position_bias
from arena.judge.flags import Flag, flags_of
from arena.judge.joined import compared
from arena.judge.length import length_bias
from db.judging import JudgedRow


def flags(rows: Sequence[JudgedRow]) -> dict[str, Flag]:
    comparisons = compared(rows)
    return {flag.code: flag for flag in flags_of(rows, position_bias(comparisons), length_bias(comparisons))}


def useless(rows: Sequence[JudgedRow]) -> set[str]:
    return {code for code, flag in flags(rows).items() if flag.useless}


@pytest.mark.parametrize(("word", "code"), [("f", "always_first"), ("s", "always_second"), ("t", "always_tie")])
def test_a_judge_that_always_says_the_same_is_useless(word: str, code: str) -> None:
    assert code in useless(both(f"{word} " * 20))


def test_a_judge_that_gives_everybody_the_same_score_is_useless() -> None:
    pairs = [judgment((8, 8), question=str(number), first=first) for number in range(20) for first in "ab"]
    singles = [judgment((7, 7), question=str(number), form="single") for number in range(20)]
    assert "same_score" in useless(pairs)
    assert "same_score" in useless(singles)


def test_a_judge_that_does_not_look_is_useless(rng: np.random.Generator) -> None:
    blind = " ".join(rng.choice(["a", "b", "f", "s"], 80))
    assert useless(both(blind)) == {"chance"}


def test_a_judge_that_nearly_always_says_the_same_place_is_useless() -> None:
    assert "chance" in useless(both("f " * 38 + "a b"))


def test_a_judge_that_finds_one_contestant_better_every_time_is_not_useless() -> None:
    assert useless(both("a " * 40)) == set()
    assert set(flags(both("a " * 40))) == set()


def test_a_decent_judge_of_unequal_contestants_is_not_useless(rng: np.random.Generator) -> None:
    assert useless(both(" ".join(rng.choice(["a", "b", "t", "f", "s"], 80, p=[0.5, 0.2, 0.1, 0.12, 0.08])))) == set()


def test_a_judge_that_may_be_decent_is_not_called_useless_for_want_of_questions() -> None:
    """Of 20 pairs 65 % are the same, where chance makes 43 %: not shown to be better, nor to be no better."""
    rows = both("a " * 7 + "b " * 6 + "f " * 5 + "s " * 2)
    found = flags(rows)
    assert found["unsure"].share == pytest.approx(0.65)
    assert useless(rows) == set()
    assert "chance" in useless(both("a " * 5 + "b " * 4 + "f " * 6 + "s " * 5))


def test_questions_in_one_order_beside_others_in_both_are_named_unfinished() -> None:
    rows = [judgment((8, 2), question=str(n), first=first) for n in range(30) for first in "ab"]
    half = [judgment((9, 2), question=str(100 + n)) for n in range(20)]
    assert "unfinished" not in flags(rows)
    assert "unfinished" not in flags([*rows, judgment((8, 2), question="1", pair=("ant", "cat"))])
    found = flags([*rows, *half])["unfinished"]
    assert (found.useless, found.count, found.share) == (False, 20, 0.4)


def test_few_questions_that_look_like_chance_are_not_called_useless() -> None:
    found = flags(both("a b f s"))
    assert not found["unsure"].useless
    assert (found["unsure"].count, found["few"].count) == (4, 4)


def test_a_leaning_to_one_place_is_named_with_its_share() -> None:
    found = flags(both("a " * 20 + "b " * 20 + "f " * 20))
    assert not found["first_place"].useless
    assert found["first_place"].share == pytest.approx(80 / 120)
    assert "first_place" not in flags(both("a " * 20 + "b " * 20 + "f s " * 5))


def test_one_order_is_named_and_one_contestant_always_in_front_may_win_by_itself() -> None:
    found = flags([judgment((9, 5), question=str(number)) for number in range(30)])
    assert set(found) == {"one_order", "always_first"}
    assert not found["always_first"].useless


def test_one_order_drawn_by_a_coin_gives_a_useless_judge_away() -> None:
    rows = [judgment(None, question=str(n), first=first, outcome=first) for n, first in enumerate("ab" * 15)]
    assert "always_first" in useless(rows)


def test_failures_and_answers_of_its_own_are_named() -> None:
    rows = [judgment(question=str(number), judge="ant", failed=number < 5) for number in range(30)]
    found = flags(rows)
    assert (found["failed"].count, found["failed"].useless, found["self_judged"].count) == (5, False, 30)
    assert "failed" in useless([judgment(failed=True)])


def test_what_makes_a_judge_useless_comes_first() -> None:
    rows = both("f " * 6)
    comparisons = compared(rows)
    found = flags_of(rows, position_bias(comparisons), length_bias(comparisons))
    assert [flag.useless for flag in found] == sorted((flag.useless for flag in found), reverse=True)
    assert found[0].useless
