from __future__ import annotations

import pytest
from verdicts import both, judgment

from arena.judge.chain import Chained, chained
from arena.judge.joined import compared
from db.judging import JudgedRow


def of(pair: tuple[str, str], *scores: tuple[float, float]) -> list[JudgedRow]:
    return [judgment(one, question=str(number), pair=pair) for number, one in enumerate(scores)]


def by_name(found: tuple[Chained, ...]) -> dict[tuple[str, str | None], float]:
    return {(one.contestant, one.via): one.ratio.value for one in found}


def test_ratios_multiply_along_a_common_opponent() -> None:
    rows = [*of(("ant", "cat"), (4, 8), (5, 9)), *of(("bee", "cat"), (10, 5), (9, 7))]
    found = chained(compared(rows), "bee")
    assert by_name(found) == {
        ("ant", "cat"): pytest.approx(9 / 17 * 12 / 19), ("cat", None): pytest.approx(12 / 19),
    }  # fmt: skip
    assert [one.contestant_name for one in found] == ["Cat", "Ant"]


def test_a_pair_that_was_judged_needs_no_chain() -> None:
    rows = [
        *of(("ant", "bee"), (4, 8), (6, 6)),
        *of(("ant", "cat"), (4, 8), (5, 9)),
        *of(("bee", "cat"), (8, 8), (8, 9)),
    ]
    assert by_name(chained(compared(rows), "bee"))["ant", None] == pytest.approx(10 / 14)
    assert ("ant", "cat") not in by_name(chained(compared(rows), "bee"))


def test_each_common_opponent_is_a_way_of_its_own() -> None:
    rows = [
        *of(("ant", "cat"), (4, 8), (5, 9)), *of(("bee", "cat"), (8, 8), (8, 9)),
        *of(("ant", "dog"), (4, 4), (5, 5)), *of(("bee", "dog"), (8, 4), (8, 5)),
    ]  # fmt: skip
    assert {via for one, via in by_name(chained(compared(rows), "bee")) if one == "ant"} == {"cat", "dog"}


def test_both_links_are_drawn_by_the_same_questions() -> None:
    """Where the opponent's scores cancel out by question, the chain is as sure as the two ends."""
    rows = [*of(("ant", "cat"), (4, 1), (4, 9), (4, 5)), *of(("bee", "cat"), (8, 1), (8, 9), (8, 5))]
    (ant,) = (one for one in chained(compared(rows), "bee") if one.contestant == "ant")
    assert [ant.ratio.value, ant.ratio.low, ant.ratio.high] == pytest.approx([0.5, 0.5, 0.5])


def test_without_scores_or_a_way_there_is_no_chain() -> None:
    assert chained(compared(both("a b a")), "bee") == ()
    assert chained(compared(of(("ant", "cat"), (4, 8), (5, 9))), "bee") == ()
    assert chained([], "bee") == ()
