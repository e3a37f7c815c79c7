from __future__ import annotations

import math
from pathlib import Path

import evalica
import numpy as np
import pytest
from ballots import SIZE, Ballot, ballots, columns, decided, real_votes, repeated, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings.bradley_terry import POINTS_PER_LOGIT, fit

# -- closed forms --------------------------------------------------------------------------------


def test_two_contestants_stand_apart_by_the_log_odds_of_their_wins() -> None:
    rating = repeated((0, 1, 1.0, 30), (0, 1, 0.0, 10)).fit(2, 0).rating
    assert rating[0] - rating[1] == pytest.approx(400 * math.log10(3), abs=1e-9)
    assert rating.sum() == pytest.approx(2000, abs=1e-9)


def test_the_prior_is_so_many_draws() -> None:
    # 1 win of 1 and a fifth of a draw: odds 1.1 : 0.1.
    rating = repeated((0, 1, 1.0, 1)).fit(2).rating
    assert rating[0] - rating[1] == pytest.approx(400 * math.log10(11), abs=1e-9)


def test_the_worked_example_of_wikipedia_comes_out() -> None:
    # https://en.wikipedia.org/wiki/Bradley–Terry_model: rows beat columns; strengths of geometric mean 1.
    found = np.exp(fit(decided([[0, 2, 0, 1], [3, 0, 5, 0], [0, 3, 0, 1], [4, 0, 3, 0]]), 0).strength)
    assert found == pytest.approx([0.640, 1.043, 0.660, 2.270], abs=5e-4)


def test_a_tie_is_half_a_win_each() -> None:
    tied = repeated((0, 1, 0.5, 2), (0, 1, 1.0, 1)).fit(2).rating
    split = repeated((0, 1, 1.0, 2), (0, 1, 0.0, 1)).fit(2).rating
    assert tied == pytest.approx(split)


def test_at_the_fit_every_contestant_has_won_what_the_fit_expects(rng: np.random.Generator) -> None:
    fitted = simulated(rng, 6, 500, ties=0.2).fit(6, 0)
    expected = (fitted.counts.votes * fitted.chance).sum(1)
    assert fitted.counts.won.sum(1) == pytest.approx(expected, abs=1e-8)


def test_bradley_terry_of_real_votes_equals_evalicas(shared_data: Path) -> None:
    votes, names = real_votes(shared_data)
    meaning = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    left, right = ([names[code] for code in side] for side in (votes.a, votes.b))
    winners = [meaning[points] for points in votes.points]
    scores = evalica.bradley_terry(left, right, winners, tolerance=1e-14, limit=100_000).scores
    theirs = POINTS_PER_LOGIT * np.log(scores[names].to_numpy())
    ours = votes.fit(len(names), 0).rating
    assert (len(votes.a), len(names)) == (8931, 59)
    assert ours == pytest.approx(theirs - theirs.mean() + 1000, abs=1e-4, rel=0)


# -- what must not matter ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(ballots, st.permutations(range(SIZE)), st.randoms(use_true_random=False), st.sampled_from([0, 0.2]))
def test_neither_names_nor_order_nor_sides_change_a_rating(
    votes: list[Ballot], renamed: list[int], shuffler: np.random.Generator, prior: float
) -> None:
    changed = [(renamed[b], renamed[a], 1 - p, voter) for a, b, p, voter in votes]
    shuffler.shuffle(changed)
    before, after = columns(votes).fit(prior=prior), columns(changed).fit(prior=prior)
    assert after.rating[renamed] == pytest.approx(before.rating, abs=1e-6, nan_ok=True)
    assert after.chance[np.ix_(renamed, renamed)] == pytest.approx(before.chance, abs=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(ballots, st.lists(st.floats(-20, 20) | st.just(math.nan), max_size=SIZE + 2), st.sampled_from([0, 0.2]))
def test_where_a_fit_starts_does_not_change_where_it_ends(
    votes: list[Ballot], start: list[float], prior: float
) -> None:
    counts = columns(votes).counts()
    found = fit(counts, prior, np.array(start)).strength
    assert found == pytest.approx(fit(counts, prior).strength, abs=1e-8, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_every_component_has_the_mean_1000(votes: list[Ballot]) -> None:
    fitted = columns(votes).fit()
    for number in range(fitted.component.max() + 1):
        assert fitted.rating[fitted.component == number].mean() == pytest.approx(1000, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_chances_of_both_sides_add_up_and_exist_within_components_only(votes: list[Ballot]) -> None:
    fitted = columns(votes).fit()
    together = np.equal.outer(fitted.component, fitted.component)
    assert np.array_equal(together, ~np.isnan(fitted.chance))
    assert (fitted.chance + fitted.chance.T)[together] == pytest.approx(1)


# -- who can be compared -------------------------------------------------------------------------


def test_without_votes_everybody_stands_at_1000_alone() -> None:
    fitted = columns([]).fit(3)
    assert fitted.rating.tolist() == [1000] * 3
    assert sorted(fitted.component) == [0, 1, 2]
    assert fit(columns([]).counts(3), 0).rating.tolist() == [1000] * 3
    assert columns([]).fit(0).rating.tolist() == []


def test_an_undefeated_and_a_winless_contestant_have_finite_ratings() -> None:
    rating = repeated((0, 1, 1.0, 20), (1, 2, 1.0, 20), (1, 2, 0.0, 20), (2, 3, 1.0, 20)).fit(4).rating
    assert 1500 < rating[0] < 2200
    assert -200 < rating[3] < 500


def test_a_hundred_thousand_wins_in_a_row_still_converge() -> None:
    counts = decided([[0, 100_000, 0], [0, 0, 100_000], [0, 0, 0]])
    for prior in (10, 0.2, 1e-6, 1e-12):
        fitted = fit(counts, prior)
        lead = 400 * math.log10(1 + 2 * 100_000 / prior)
        # The ends meet as draws of the prior only, which hold each middle gap back a little.
        assert lead * 0.8 < fitted.rating[0] - fitted.rating[1] <= lead


def test_without_a_prior_the_undefeated_and_the_winless_have_no_rating_and_spoil_nobody_elses() -> None:
    trio = [(0, 1, 1.0, 0), (1, 2, 1.0, 0), (2, 0, 1.0, 0), (0, 1, 1.0, 0)]
    fitted = columns([*trio, (3, 0, 1.0, 0), (2, 4, 1.0, 0)]).fit(5, 0)
    assert np.isnan(fitted.rating).tolist() == [False, False, False, True, True]
    assert fitted.rating[:3] == pytest.approx(columns(trio).fit(3, 0).rating, abs=1e-9)
    assert fitted.component[:3].tolist() == [0, 0, 0]
    assert len(set(fitted.component)) == 3
    assert np.isnan(fitted.chance[3, 0])


def test_component_0_has_ratings_though_others_have_more_votes() -> None:
    fitted = repeated((0, 1, 1.0, 50), (2, 3, 1.0, 1), (3, 2, 1.0, 1)).fit(4, 0)
    assert fitted.component[2:].tolist() == [0, 0]
    assert np.isnan(fitted.rating[:2]).all()


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_without_a_prior_a_rating_is_either_none_or_the_fit_of_its_component(votes: list[Ballot]) -> None:
    fitted = columns(votes).fit(prior=0)
    for number in range(fitted.component.max() + 1):
        members = np.flatnonzero(fitted.component == number)
        inside = columns(vote for vote in votes if {vote[0], vote[1]} <= set(members.tolist()))
        if len(members) > 1:
            assert fitted.rating[members] == pytest.approx(inside.fit(prior=0).rating[members], abs=1e-6)
        else:
            assert np.isnan(fitted.rating[members[0]]) == (fitted.counts.votes[members[0]].sum() > 0)


def test_islands_do_not_touch_each_other_and_say_so() -> None:
    island = repeated((2, 3, 1.0, 20), (2, 3, 0.0, 10))
    both = repeated((2, 3, 1.0, 20), (2, 3, 0.0, 10), (0, 1, 1.0, 1)).fit(4)
    assert both.component.tolist() == [1, 1, 0, 0]
    assert both.rating[2:] == pytest.approx(island.fit(4).rating[2:], abs=1e-9)
    assert np.isnan(both.chance[:2, 2:]).all()


@pytest.mark.parametrize("prior", [-0.1, math.inf, math.nan])
def test_a_senseless_prior_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="prior"):
        columns([]).fit(prior=prior)
