from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ballots import Ballot, ballots, columns, repeated, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings.intervals import clusters, confidence
from arena.ratings.ranks import Ranks, ranks


def ranked(votes: list[Ballot], prior: float = 0.2) -> Ranks:
    drawn = columns(votes)
    return ranks(drawn.fit(prior=prior), drawn.confidence(prior=prior))


def test_whoever_is_surely_better_ranks_surely_higher() -> None:
    votes = repeated((2, 0, 1.0, 90), (2, 0, 0.0, 10), (0, 1, 1.0, 90), (0, 1, 0.0, 10))
    found = ranks(votes.fit(3), votes.confidence(3))
    assert found.rank.tolist() == found.lower.tolist() == found.upper.tolist() == [2, 3, 1]


def test_who_can_not_be_told_apart_shares_the_interval() -> None:
    votes = repeated(
        (0, 1, 1.0, 90), (0, 1, 0.0, 10), (0, 2, 1.0, 91), (0, 2, 0.0, 9), (3, 0, 1.0, 50), (3, 0, 0.0, 50)
    )
    found = ranks(votes.fit(4), votes.confidence(4))
    assert found.rank.tolist() in ([1, 3, 4, 2], [2, 3, 4, 1], [1, 3, 4, 1])
    assert found.lower.tolist() == [1, 3, 3, 1]
    assert found.upper.tolist() == [2, 4, 4, 2]


def test_one_vote_ranks_two_and_tells_nothing() -> None:
    found = ranked([(3, 1, 1.0, 0)])
    assert found.rank.tolist() == [0, 2, 0, 1, 0, 0]
    assert found.lower.tolist() == [0, 1, 0, 1, 0, 0]
    assert found.upper.tolist() == [0, 2, 0, 2, 0, 0]


def test_equal_ratings_share_a_rank_whatever_their_last_digits() -> None:
    fitted = repeated((0, 1, 0.5, 3), (1, 2, 1.0, 5)).fit(3)
    sure = confidence(fitted)
    level = replace(fitted, strength=np.array([0.3, 0.3 + 1e-12, -0.6]))
    assert ranks(level, sure).rank.tolist() == [1, 1, 3]


def test_nobody_is_ranked_without_votes_or_on_another_island_or_without_a_rating() -> None:
    assert ranked([]).rank.tolist() == [0] * 6
    islands = ranked([(0, 1, 1.0, 0), (0, 1, 0.0, 0), (2, 3, 1.0, 0)])
    assert (islands.rank > 0).tolist() == [True, True, False, False, False, False]
    separable = ranked([(0, 1, 1.0, 0), (1, 2, 1.0, 0), (2, 1, 1.0, 0)], prior=0)
    assert (separable.rank > 0).tolist() == [False, True, True, False, False, False]


@settings(max_examples=40, deadline=None)
@given(ballots, st.sampled_from([0, 0.2]))
def test_every_rank_lies_in_its_interval(votes: list[Ballot], prior: float) -> None:
    found = ranked(votes, prior)
    listed = found.rank > 0
    assert np.all((found.lower <= found.rank) & (found.rank <= found.upper))
    assert np.all(found.lower[listed] >= 1)
    assert np.all(found.upper <= listed.sum())
    assert not found.lower[~listed].any()
    assert not found.upper[~listed].any()


@pytest.mark.slow
@pytest.mark.parametrize("voters", [0, 40])
def test_among_equals_95_of_100_tables_put_nobody_first(voters: int, rng: np.random.Generator) -> None:
    first, quantiles = 0, None
    for _ in range(400):
        votes = simulated(rng, 6, 400, spread=0, voters=voters)
        fitted = votes.fit(6)
        sure = confidence(fitted, clusters(votes.groups, fitted), quantiles)
        quantiles = sure.quantiles
        found = ranks(fitted, sure)
        first += bool(np.any(found.lower > 1) or np.any(found.upper < 6))
    # The hardest case there is: any verdict is a wrong one. Of 400 boards the standard error is 1.1 %.
    assert first / 400 <= 0.075
    assert first > 0
