from __future__ import annotations

import math

import numpy as np
import pytest
from ballots import SIZE, Ballot, ballots, columns, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings.tally import Counts, count, group


def equal(one: Counts, other: Counts) -> bool:
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in ("votes", "won", "squares"))


def test_votes_are_counted_for_both_sides() -> None:
    counts = columns([(0, 1, 1.0, 0), (1, 0, 1.0, 0), (1, 0, 0.5, 0), (2, 0, 0.0, 0)]).counts(3)
    assert counts.votes.tolist() == [[0, 3, 1], [3, 0, 0], [1, 0, 0]]
    assert counts.won.tolist() == [[0, 1.5, 1], [1.5, 0, 0], [0, 0, 0]]
    assert counts.squares.tolist() == [[0, 1.25, 1], [1.25, 0, 0], [0, 0, 0]]
    assert counts.ties.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_counts_are_what_counting_vote_by_vote_gives(votes: list[Ballot]) -> None:
    counts = columns(votes).counts()
    for i in range(SIZE):
        for j in range(SIZE):
            points = [p if a == i else 1 - p for a, b, p, _ in votes if a != b and {a, b} == {i, j}]
            found = counts.votes[i, j], counts.won[i, j], counts.squares[i, j], counts.ties[i, j]
            assert found == (len(points), sum(points), sum(p * p for p in points), points.count(0.5))


@settings(max_examples=40, deadline=None)
@given(ballots, st.integers(0, 60))
def test_counting_in_parts_is_counting_at_once(votes: list[Ballot], cut: int) -> None:
    assert equal(columns(votes[:cut]).counts() + columns(votes[cut:]).counts(), columns(votes).counts())


def test_many_votes_are_counted_in_parts(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    votes = simulated(rng, 5, 1000, ties=0.2)
    whole = votes.counts(5)
    monkeypatch.setattr("arena.ratings.tally._VOTES_AT_ONCE", 7)
    assert equal(votes.counts(5), whole)


def test_counts_make_room_for_newcomers(rng: np.random.Generator) -> None:
    votes = simulated(rng, 4, 50)
    assert equal(votes.counts(4).padded(6), votes.counts(6))


def test_a_vote_of_a_contestant_against_itself_counts_for_nothing() -> None:
    votes = columns([(1, 1, 1.0, 0)])
    assert votes.counts(2).votes.sum() == 0
    assert len(votes.groups.voter) == 0


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_groups_are_voters_and_pairs_in_order(votes: list[Ballot]) -> None:
    found = columns(votes).groups
    kinds = sorted({(voter, min(a, b), max(a, b)) for a, b, _, voter in votes if a != b})
    assert list(zip(found.voter.tolist(), found.low.tolist(), found.high.tolist(), strict=True)) == kinds
    for place, (voter, low, high) in enumerate(kinds):
        points = [p if a == low else 1 - p for a, b, p, v in votes if v == voter and {a, b} == {low, high}]
        assert found.votes[place] == len(points)
        assert found.points[place] == sum(points)
        assert found.squares[place] == sum(p * p for p in points)


def test_the_largest_codes_keep_apart() -> None:
    voter, last = np.array([2**31 - 1, 0]), np.array([2**15 - 1, 2**15 - 1])
    found = group(voter, last, last - 1, np.array([1.0, 0.5]))
    assert found.voter.tolist() == [0, 2**31 - 1]
    assert found.low.tolist() == [2**15 - 2] * 2
    assert found.high.tolist() == [2**15 - 1] * 2
    assert found.points.tolist() == [0.5, 0.0]


def test_small_integers_do_not_overflow() -> None:
    a, b = np.full(3, 199, np.int16), np.full(3, 198, np.int16)
    assert count(a, b, np.ones(3, np.float32), 200).won[199, 198] == 3
    assert group(np.full(3, 9, np.int32), a, b, np.ones(3, np.float32)).votes.tolist() == [3]


@pytest.mark.parametrize("points", [-0.1, 0.25, 1.1, math.nan])
def test_points_other_than_of_a_win_a_tie_and_a_loss_are_refused(points: float) -> None:
    votes = columns([(0, 1, points, 0)])
    with pytest.raises(ValueError, match=r"0, 0\.5 or 1"):
        votes.counts()
    with pytest.raises(ValueError, match=r"0, 0\.5 or 1"):
        _ = votes.groups


def test_columns_of_unequal_length_are_refused() -> None:
    two, one = np.zeros(2, np.int64), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="length"):
        count(two, one, np.zeros(2), 3)
    with pytest.raises(ValueError, match="length"):
        group(one, two, two, np.zeros(2))
