from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from boards import NOW, board, standing

from arena.boards.board import Board, Effect
from arena.boards.selection import Selection
from arena.ui.headline import headline, notes

SURE = board(standing("Ant", 1), standing("Bee", 2, swap=4), standing("Cat", 3))


def contested(count: int) -> Board:
    rest = (standing(f"Bee {n}", n + 1, 1, count + 1) for n in range(1, count + 1))
    return board(standing("Ant", 1, 1, count + 1), *rest)


def test_who_is_surely_first_leads_and_the_second_is_told_what_it_takes() -> None:
    said = headline(SURE, "en")
    assert "**Ant leads**: ahead of everybody else" in said
    assert "4 more wins of Bee over Ant would put it first." in said
    assert "Votes: 36. Voters: 40." in said


def test_a_board_of_verified_voters_says_so() -> None:
    assert "Only voters who signed in" in headline(replace(SURE, selection=Selection(verified=True)), "en")
    assert "Only voters who signed in" not in headline(SURE, "en")


def test_one_vote_is_said_in_the_singular_and_none_not_at_all() -> None:
    assert "One more win of Bee over Ant" in headline(board(standing("Ant", 1), standing("Bee", 2, swap=1)), "en")
    assert "would put it first" not in headline(board(standing("Ant", 1), standing("Bee", 2)), "en")


@pytest.mark.parametrize(
    ("others", "named"),
    [
        (1, "but Bee 1 may be as good (its rank is 1–2)"),
        (2, "but Bee 1 and Bee 2 may be as good (its rank is 1–3)"),
        (4, "but Bee 1, Bee 2, Bee 3 and Bee 4 may be as good"),
        (9, "but Bee 1, Bee 2, Bee 3 and 6 others may be as good (its rank is 1–10)"),
    ],
)
def test_who_may_be_as_good_is_named_or_counted(others: int, named: str) -> None:
    assert named in headline(contested(others), "en")


def test_a_leader_that_nobody_else_may_be_first_with_still_is_not_sure() -> None:
    assert "anything in 1–2" in headline(board(standing("Ant", 1, 1, 2), standing("Bee", 2, 2, 2)), "en")


def test_equal_ratings_share_the_lead() -> None:
    said = headline(board(standing("Ant", 1, 1, 2), standing("Bee", 1, 1, 2, swap=0)), "en")
    assert "**Ant and Bee share the lead** (ranks 1–2)." in said
    assert "would put it first" not in said


@pytest.mark.parametrize(("voters", "few"), [(29, True), (30, False)])
def test_below_30_voters_it_speaks_for_these_only(voters: int, few: bool) -> None:
    assert ("speak for these voters only" in headline(replace(SURE, voters=voters), "en")) is few


def test_who_was_never_compared_with_the_rest_is_named() -> None:
    apart = [standing("Eel", None, island=1), standing("Fox", None, island=1), standing("Gnu", None, votes=0)]
    said = headline(board(standing("Ant", 1), standing("Bee", 2), *apart), "en")
    assert "not ranked: Eel and Fox." in said
    assert "Gnu" not in said


def test_without_votes_it_says_so_and_whether_filters_are_the_reason() -> None:
    assert "No votes yet" in headline(board(), "en")
    assert "match these filters" in headline(replace(board(), selection=Selection(category="coding")), "en")


def test_without_ranks_nobody_leads() -> None:
    assert "Nobody can be ranked" in headline(board(standing("Ant", None), standing("Bee", None)), "en")


def test_a_hostile_name_is_shown_as_it_is() -> None:
    said = headline(board(standing("**x** [y](z)\n# <img>", 1), standing("Bee", 2)), "en")
    assert r"\*\*x\*\* \[y\]\(z\) \# \<img\>" in said


def test_it_speaks_chinese() -> None:
    assert headline(contested(2), "zh").startswith("### **Ant 领先**，但 Bee 1 和 Bee 2 可能同样出色")


# -- notes ---------------------------------------------------------------------------------------


def test_where_nothing_is_to_say_there_are_no_notes() -> None:
    assert notes(SURE, NOW, "en") == ""


def test_the_age_of_intervals_is_told() -> None:
    said = notes(replace(SURE, behind=37), NOW + timedelta(seconds=12), "en")
    assert "12 s old; 37 votes are newer" in said


def test_what_style_is_worth_is_told_with_its_interval_and_who_was_left_out() -> None:
    effects = (Effect("length", 35.2, 26.8, 43.1), Effect("bold", -3.0, -9.0, 3.0))
    said = notes(replace(SURE, effects=effects, unstyled=1200), NOW, "en")
    assert "length **+35** (+27 to +43 at 95 %); bold **-3** (-9 to +3 at 95 %)" in said
    assert "1,200 votes" in said
    assert notes(replace(SURE, effects=effects), NOW, "zh")


def test_how_elo_wavers_is_told_where_it_does() -> None:
    assert "100 random orders of these same votes rank by Elo in 93 ways" in notes(
        replace(SURE, orders=100, rankings=93), NOW, "en"
    )
    assert notes(replace(SURE, orders=100, rankings=1), NOW, "en") == ""
