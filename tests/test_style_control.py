from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from arena.ratings.bradley_terry import POINTS_PER_LOGIT, START, fit
from arena.ratings.intervals import clusters, confidence
from arena.ratings.ranks import ranks
from arena.ratings.style import STYLES, controlled
from arena.ratings.tally import Floats, Integers, count, group

TRUE = np.array([0.6, 0.3, 0.0, -0.3, -0.6])  # logits
WORDY = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # the weaker, the longer


@dataclass
class Ballots:
    """Votes of people who reward a style: columns as `controlled` takes them."""

    a: Integers
    b: Integers
    points: Floats
    voter: Integers
    style: Floats

    def those(self, rows: Integers | NDArray[np.bool_]) -> Ballots:
        return Ballots(self.a[rows], self.b[rows], self.points[rows], self.voter[rows], self.style[rows])

    @property
    def columns(self) -> tuple[Integers, Integers, Floats, Integers, Floats]:
        return self.a, self.b, self.points, self.voter, self.style


def ballots(
    rng: np.random.Generator,
    votes: int = 6000,
    effects: tuple[float, ...] = (1.2, 0.0, 0.0, 0.0),
    ties: float = 0.0,
    voters: int = 500,
    taste: float = 0.0,
) -> Ballots:
    """`effects` are logits for one standard deviation more; `taste`, how much voters differ in the first of them."""
    a = rng.integers(len(TRUE), size=votes)
    b = (a + rng.integers(1, len(TRUE), size=votes)) % len(TRUE)
    style = rng.normal(0, 0.3, (votes, len(STYLES)))
    style[:, 0] = np.tanh(WORDY[a] - WORDY[b] + rng.normal(0, 0.5, votes))
    voter = rng.integers(voters, size=votes)
    worth = np.tile(effects, (voters, 1)).astype(np.float64)
    worth[:, 0] += rng.normal(0, taste, voters)
    scaled = style / np.sqrt((style**2).mean(0))
    chance = expit(TRUE[a] - TRUE[b] + (scaled * worth[voter]).sum(1))
    points = (rng.random(votes) < chance).astype(np.float64)
    points[rng.random(votes) < ties] = 0.5
    return Ballots(a, b, points, voter, style)


# -- what it is for ------------------------------------------------------------------------------


def test_where_voters_reward_length_the_true_order_comes_back(rng: np.random.Generator) -> None:
    cast = ballots(rng)
    plain = fit(count(cast.a, cast.b, cast.points, 5))
    assert np.argsort(-plain.rating).tolist() == [4, 3, 2, 1, 0], "length must be worth enough to turn the table round"
    fitted, sure, effects = controlled(*cast.columns, 5)
    assert np.argsort(-fitted.rating).tolist() == [0, 1, 2, 3, 4]
    truth = START + POINTS_PER_LOGIT * TRUE
    assert np.all((sure.lower < truth) & (truth < sure.upper))
    assert effects.lower[0] < 1.2 * POINTS_PER_LOGIT < effects.upper[0]
    assert np.all((effects.lower[1:] < 0) & (effects.upper[1:] > 0))
    assert ranks(fitted, sure).rank.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_intervals_of_ratings_and_effects_hold_as_often_as_they_say(rng: np.random.Generator) -> None:
    boards, truth = 120, START + POINTS_PER_LOGIT * TRUE
    held, effects_held, together = np.zeros(5), np.zeros(4), 0
    want = np.array([0.6, 0.0, 0.2, 0.0]) * POINTS_PER_LOGIT
    quantiles = None
    for _ in range(boards):
        cast = ballots(rng, 1500, (0.6, 0.0, 0.2, 0.0))
        fitted, sure, effects = controlled(*cast.columns, 5, quantiles=quantiles)
        quantiles = sure.quantiles
        held += (sure.lower < truth) & (truth < sure.upper)
        effects_held += (effects.lower < want) & (want < effects.upper)
        error = (fitted.rating[:, None] - fitted.rating) - (truth[:, None] - truth)
        together += int(np.all(np.abs(error) <= sure.reach))
    # Of 120 boards: three standard deviations of a pooled share are 1.5 to 3 %, of a single one 6 %.
    assert 0.92 <= held.mean() / boards <= 0.99
    assert 0.92 <= effects_held.mean() / boards <= 0.99
    assert held.min() / boards > 0.88
    assert together / boards > 0.88


def test_voters_who_differ_in_taste_widen_the_effect_s_interval(rng: np.random.Generator) -> None:
    cast = ballots(rng, 4000, voters=40, taste=0.8)
    _, _, clustered = controlled(*cast.columns, 5)
    alone = Ballots(cast.a, cast.b, cast.points, np.arange(4000), cast.style)
    _, _, independent = controlled(*alone.columns, 5)
    assert np.allclose(clustered.points, independent.points)
    assert clustered.upper[0] - clustered.lower[0] > 1.4 * (independent.upper[0] - independent.lower[0])
    # 40 draws of a taste whose standard deviation is 0.8 tell its mean to 0.13 logits, with t of 39: 44 points.
    assert clustered.upper[0] - clustered.points[0] == pytest.approx(44, rel=0.3)


# -- against other ways to the same numbers ------------------------------------------------------


def test_it_is_the_maximum_of_the_likelihood(rng: np.random.Generator) -> None:
    cast = ballots(rng, 800, (0.5, -0.3, 0.2, 0.0), ties=0.2)
    fitted, _, effects = controlled(*cast.columns, 5, prior=0.2)
    scaled = cast.style / np.sqrt((cast.style**2).mean(0))

    def cost(weights: Floats) -> float:
        strength, worth = weights[:5], weights[5:]
        lead = strength[cast.a] - strength[cast.b] + scaled @ worth
        votes = cast.points * lead - np.logaddexp(0, lead)
        pairs = (strength[:, None] - strength)[np.triu_indices(5, 1)]
        draws = np.concatenate([pairs, worth])
        return float(-votes.sum() - 0.2 * (draws / 2 - np.logaddexp(0, draws)).sum())

    found = minimize(cost, np.zeros(9), tol=1e-10).x
    assert fitted.strength == pytest.approx(found[:5] - found[:5].mean(), abs=1e-4)
    assert effects.points == pytest.approx(found[5:] * POINTS_PER_LOGIT, abs=0.02)


def test_equal_style_gives_the_plain_fit(rng: np.random.Generator) -> None:
    cast = ballots(rng, ties=0.2)
    fitted, sure, effects = controlled(*cast.columns[:4], np.zeros((6000, 4)), 5)
    plain = fit(count(cast.a, cast.b, cast.points, 5))
    groups = group(cast.voter, cast.a, cast.b, cast.points)
    theirs = confidence(plain, clusters(groups, plain))
    assert np.array_equal(fitted.strength, plain.strength)
    assert np.array_equal(sure.lower, theirs.lower)
    assert np.array_equal(sure.reach, theirs.reach, equal_nan=True)
    assert effects.points.tolist() == [0, 0, 0, 0]
    assert np.isnan([effects.lower, effects.upper]).all()


def test_a_style_that_balances_out_moves_nothing(rng: np.random.Generator) -> None:
    cast = ballots(rng, 2000, (0.0,) * 4, ties=0.3)
    # Every vote twice, with the style of either side once: no effect, and nothing to correct.
    both = [np.concatenate([column, column]) for column in cast.columns[:4]]
    style = np.concatenate([cast.style, -cast.style])
    a, b, points, voter = both
    fitted, sure, effects = controlled(a, b, points, voter, style, 5)
    plain = fit(count(a, b, points, 5))
    theirs = confidence(plain, clusters(group(voter, a, b, points), plain))
    assert fitted.strength == pytest.approx(plain.strength, abs=1e-6)
    assert sure.lower == pytest.approx(theirs.lower, rel=1e-4)
    assert sure.reach == pytest.approx(theirs.reach, rel=1e-3)
    assert effects.points == pytest.approx(np.zeros(4), abs=1e-6)


def test_sides_order_and_scale_do_not_matter(rng: np.random.Generator) -> None:
    cast = ballots(rng, 1500, (0.6, 0.2, 0.0, 0.0), ties=0.1)
    fitted, sure, effects = controlled(*cast.columns, 5)
    turned = Ballots(cast.b, cast.a, 1 - cast.points, cast.voter, -7 * cast.style).those(rng.permutation(1500))
    again, sure_again, effects_again = controlled(*turned.columns, 5)
    assert again.strength == pytest.approx(fitted.strength, abs=1e-9)
    assert sure_again.lower == pytest.approx(sure.lower, abs=1e-6)
    assert effects_again.points == pytest.approx(effects.points, abs=1e-6)
    assert effects_again.upper == pytest.approx(effects.upper, abs=1e-6)


# -- the normal state of a young arena -----------------------------------------------------------


def test_no_votes_and_few_votes_are_no_error() -> None:
    nobody = np.empty(0, np.int64)
    fitted, sure, effects = controlled(nobody, nobody, np.empty(0), nobody, np.empty((0, 4)), 3)
    assert fitted.rating.tolist() == [START] * 3
    assert np.isnan(sure.lower).all()
    assert effects.points.tolist() == [0, 0, 0, 0]
    one = np.array([0])
    fitted, sure, effects = controlled(one, one + 1, np.ones(1), one, np.full((1, 4), 0.5), 3)
    assert fitted.rating[0] > fitted.rating[1]
    assert np.isfinite(sure.lower[:2]).all()
    assert np.isfinite(effects.upper).all()


def test_islands_stay_islands_and_share_the_effects(rng: np.random.Generator) -> None:
    cast = ballots(rng, 4000)
    apart = cast.those((cast.a < 2) == (cast.b < 2))
    fitted, sure, effects = controlled(*apart.columns, 6)
    assert fitted.component.tolist() == [1, 1, 0, 0, 0, 2]
    assert fitted.rating[:2].mean() == pytest.approx(START)
    assert fitted.rating[0] > fitted.rating[1]
    assert np.isnan(sure.reach[0, 2])
    assert np.isnan(sure.lower[5])
    assert effects.points[0] > 0


@pytest.mark.parametrize("prior", [0.0, 0.2])
def test_style_that_follows_from_who_plays_has_a_value(prior: float, rng: np.random.Generator) -> None:
    cast = ballots(rng, 1000)
    fixed = np.zeros((1000, 4))
    fixed[:, 0] = (WORDY[cast.a] - WORDY[cast.b]) / 4
    fitted, sure, effects = controlled(*cast.columns[:4], fixed, 5, prior=prior)
    assert np.isfinite(fitted.rating).all()
    assert np.isfinite(effects.points).all()
    # Nothing tells strength from style: the intervals say so.
    _, sure_told, effects_told = controlled(*cast.columns, 5, prior=prior)
    assert effects.upper[0] - effects.lower[0] > 5 * (effects_told.upper[0] - effects_told.lower[0])
    assert (sure.upper - sure.lower)[0] > 5 * (sure_told.upper - sure_told.lower)[0]


def test_undefeated_contestants_have_no_finite_rating_without_a_prior(rng: np.random.Generator) -> None:
    cast = ballots(rng, 1000)
    cast.points[cast.a == 0] = 1
    cast.points[cast.b == 0] = 0
    fitted, sure, effects = controlled(*cast.columns, 5, prior=0)
    assert np.isnan(fitted.rating[0])
    assert np.isnan(sure.lower[0])
    assert np.isfinite(fitted.rating[1:]).all()
    assert np.isfinite(effects.points).all()


def test_one_voter_is_taken_for_many_as_in_the_plain_fit(rng: np.random.Generator) -> None:
    cast = ballots(rng, 500, voters=1)
    _, sure, effects = controlled(*cast.columns, 5)
    assert np.all(sure.upper - sure.lower > 50)
    assert np.isfinite(effects.upper).all()


def test_styles_that_are_not_known_are_refused(rng: np.random.Generator) -> None:
    cast = ballots(rng, 50)
    cast.style[7, 2] = np.nan
    with pytest.raises(ValueError, match="must be known"):
        controlled(*cast.columns, 5)
    with pytest.raises(ValueError, match="a row for each vote"):
        controlled(*cast.columns[:4], np.zeros((49, 4)), 5)
