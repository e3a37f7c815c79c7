"""Intervals hold the truth as often as they say; `tests/bench/bench_coverage.py` prints all of it."""

from __future__ import annotations

import numpy as np
import pytest
from bench_coverage import MODELS, SPREAD, TASTE, Coverage, coverage
from simulate import POINTS_PER_LOGIT, Boards, Crowd, Floats, Integers, fitted, spaced, uniform, widths

from arena.ratings.bradley_terry import fit
from arena.ratings.intervals import confidence
from arena.ratings.tally import count, group


def proven(found: Coverage) -> None:
    assert 0.94 <= found.pooled <= 0.96
    assert 0.93 <= found.held.min() <= found.held.max() <= 0.97
    assert found.ranked >= 0.95


@pytest.mark.integrity
@pytest.mark.slow
@pytest.mark.parametrize(
    ("crowd", "votes"),
    [
        pytest.param(Crowd(), 300, id="300 votes of as many voters"),
        pytest.param(Crowd(ties=0.25), 1000, id="1,000 votes of as many voters, a quarter of them ties"),
        pytest.param(Crowd(100, TASTE), 1000, id="1,000 votes of 100 voters, each with a taste"),
    ],
)
def test_ratings_and_tables_are_within_their_intervals_as_often_as_these_say(crowd: Crowd, votes: int) -> None:
    proven(coverage(crowd, votes, boards=1000))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ties", [0.0, 0.25])
@pytest.mark.parametrize("votes", [300, 1000, 5000])
@pytest.mark.parametrize("voters", [0, 100])
def test_from_a_hundred_voters_up_every_model_is_within_its_interval(voters: int, votes: int, ties: float) -> None:
    # Of 4,000 boards the standard error for one model is 0.35 %.
    proven(coverage(Crowd(voters, TASTE if voters else 0.0, ties), votes, boards=4000))


def test_few_voters_are_not_taken_for_many() -> None:
    """Of five voters, independent votes would be trusted five times too much."""
    found = coverage(Crowd(5, TASTE), 5000, boards=100)
    assert found.pooled > 0.9
    assert found.width > 3 * coverage(Crowd(), 5000, boards=10).width


# -- the simulation itself ---------------------------------------------------------------------------


def test_with_a_quarter_of_ties_a_spread_of_240_reads_as_173() -> None:
    strength = spaced(MODELS, SPREAD)
    assert Crowd().truth(strength) == pytest.approx(strength, abs=1e-6)
    assert np.ptp(Crowd(ties=0.25).truth(strength)) * POINTS_PER_LOGIT == pytest.approx(173, abs=0.5)


@pytest.mark.parametrize("crowd", [Crowd(ties=0.25), Crowd(20_000, TASTE), Crowd(20_000, TASTE, ties=0.25)], ids=repr)
def test_the_truth_is_what_very_many_votes_tend_to(crowd: Crowd) -> None:
    strength = spaced(4, SPREAD)
    voter, a, b, points = crowd.votes(np.random.default_rng(1), strength, 600_000)
    found = fit(count(a, b, points, 4), prior=0)
    assert found.strength == pytest.approx(crowd.truth(strength), abs=0.02)
    assert len(group(voter, a, b, points).voter) > 4


def test_many_boards_at_once_are_fitted_as_one_board_is() -> None:
    boards = Boards(spaced(MODELS, 1200), 3, np.random.default_rng(1))
    boards.play(400, uniform)
    strengths = fitted(boards.won)
    for board, won in enumerate(boards.won):
        counts = count(*_columns(won - 0.1 * (1 - np.eye(MODELS))), MODELS)
        found = fit(counts)
        assert strengths[board] == pytest.approx(found.strength, abs=1e-6)
        sure = confidence(found)
        # The widest of three counts there, and this is one of them.
        share = widths(boards.won, strengths)[board] / (sure.upper - sure.lower)
        assert share.max() <= 1 + 1e-6
        assert np.median(share) > 0.95


def _columns(won: Floats) -> tuple[Integers, Integers, Floats]:
    """Votes that sum up to these points of rows against columns."""
    times = won.round().astype(np.int64)
    a, b = (np.repeat(side, times[times > 0]) for side in np.nonzero(times))
    return a, b, np.ones(len(a))
