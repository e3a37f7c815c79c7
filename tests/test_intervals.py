from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ballots import SIZE, Ballot, Votes, ballots, columns, margins, real_votes, repeated, simulated
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import studentized_range, t

from arena.ratings.bradley_terry import POINTS_PER_LOGIT, Fit
from arena.ratings.intervals import Confidence, Quantiles, clusters, confidence
from arena.ratings.tally import Floats

Z = 1.959963984540054
priors = st.sampled_from([0, 0.2, 3])

# -- one contestant at a time --------------------------------------------------------------------


def test_the_interval_of_two_contestants_is_that_of_one_proportion() -> None:
    # Each rating is half of the difference, whose variance is 1 / (n p (1 - p)); one vote a voter adds n / (n - 1).
    sure = repeated((0, 1, 1.0, 300), (0, 1, 0.0, 100)).confidence(2, 0)
    expected = t.ppf(0.975, 399) * POINTS_PER_LOGIT * math.sqrt(400 / 399 / (400 * 0.75 * 0.25)) / 2
    assert margins(sure) == pytest.approx([expected] * 2, rel=1e-9)
    assert (sure.lower + sure.upper).sum() / 2 == pytest.approx(2000)


def written_out(votes: Votes, fitted: Fit) -> tuple[list[Floats], float]:
    """The three covariances vote by vote, and the degrees of freedom; without a prior."""
    size = len(fitted.component)
    hessian, alone, scores = np.zeros((size, size)), np.zeros((size, size)), {v: np.zeros(size) for v in votes.voter}
    for a, b, points, voter in zip(votes.a, votes.b, votes.points, votes.voter, strict=True):
        chance, way = fitted.chance[a, b], np.eye(size)[a] - np.eye(size)[b]
        hessian += chance * (1 - chance) * np.outer(way, way)
        alone += (points - chance) ** 2 * np.outer(way, way)
        scores[voter] += (points - chance) * way
    bread = np.linalg.pinv(hessian, rcond=1e-9)
    together = sum((np.outer(score, score) for score in scores.values()), np.zeros((size, size)))
    each = np.unique(votes.voter, return_counts=True)[1]
    effective = each.sum() ** 2 / (each**2).sum()
    correction = effective / (effective - 1) if len(each) > 1 else 0
    decided = 1 - np.count_nonzero(votes.points == 0.5) / (10 + 2 * np.trace(hessian))
    return [decided * bread, bread @ alone @ bread, correction * bread @ together @ bread], effective - 1


@pytest.mark.parametrize("ties", [0, 3])
@pytest.mark.parametrize("voters", [1, 7, 500])
def test_the_margin_is_the_widest_of_three_written_out_vote_by_vote(
    voters: int, ties: int, rng: np.random.Generator
) -> None:
    # A circle of uneven wins fits no scale, so that residuals are larger than the model's own variance.
    pairs = [(0, 1, 9), (1, 2, 9), (2, 0, 2), (0, 3, 9), (3, 1, 7), (2, 3, 5)]
    votes = columns(
        (a, b, 0.5 if n % 10 < ties else float(n % 10 < won), int(rng.integers(voters) ** 2 / voters))
        for a, b, won in pairs
        for n in range(60 + 20 * won)
    )
    fitted = votes.fit(4, 0)
    covariances, degrees = written_out(votes, fitted)
    # Many standard errors at once: numbers that no other quantile could be taken for.
    sure = confidence(fitted, votes.clusters(4, 0), Quantiles(np.full(4, 2.9), np.full(4, 3.4)))
    one = np.array([Z, Z, t.ppf(0.975, degrees) if voters > 1 else 0])
    single = one[:, None] * np.sqrt([np.diag(covariance) for covariance in covariances])
    ways = np.eye(4)[:, None, :] - np.eye(4)[None, :, :]
    pairwise = np.sqrt([np.einsum("ijk,kl,ijl->ij", ways, covariance, ways) for covariance in covariances])
    pairwise *= np.array([2.9, 2.9, 3.4])[:, None, None]
    assert margins(sure) == pytest.approx(POINTS_PER_LOGIT * single.max(0), rel=1e-6)
    assert sure.reach == pytest.approx(POINTS_PER_LOGIT * pairwise.max(0), rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(ballots, priors)
def test_clusters_never_make_an_interval_narrower(votes: list[Ballot], prior: float) -> None:
    drawn = columns(votes)
    fitted = drawn.fit(prior=prior)
    rated = fitted.compared > 1
    together = margins(confidence(fitted, drawn.clusters(prior=prior)))
    assert np.all(together[rated] >= margins(confidence(fitted))[rated] - 1e-9)


@settings(max_examples=40, deadline=None)
@given(ballots, priors)
def test_without_ties_no_interval_is_narrower_than_the_hessians(votes: list[Ballot], prior: float) -> None:
    fitted = columns(vote for vote in votes if vote[2] != 0.5).fit(prior=prior)
    rated = fitted.compared > 1
    weights = (fitted.counts.votes + prior) * np.nan_to_num(fitted.chance * fitted.chance.T)
    np.fill_diagonal(weights, 0)
    hessian = np.linalg.pinv(np.diag(weights.sum(1)) - weights, rcond=1e-9)
    known = Z * POINTS_PER_LOGIT * np.sqrt(np.diag(hessian)[rated])
    assert np.all(margins(confidence(fitted))[rated] >= known * (1 - 1e-6))


@settings(max_examples=40, deadline=None)
@given(ballots, priors)
def test_whoever_was_compared_has_an_interval_and_nobody_else(votes: list[Ballot], prior: float) -> None:
    fitted = columns(votes).fit(prior=prior)
    sure = columns(votes).confidence(prior=prior)
    compared = fitted.compared > 1
    assert np.array_equal(np.isfinite(margins(sure)), compared)
    assert np.all(margins(sure)[compared] > 0)
    assert np.array_equal(np.isfinite(sure.reach), np.equal.outer(fitted.component, fitted.component) & compared)
    off = np.isfinite(sure.reach) & ~np.eye(SIZE, dtype=bool)
    assert np.all(sure.reach[off] > 0)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(ballots, st.permutations(range(SIZE)), priors)
def test_neither_names_nor_sides_change_an_interval(votes: list[Ballot], renamed: list[int], prior: float) -> None:
    before = columns(votes).confidence(prior=prior)
    after = columns((renamed[b], renamed[a], 1 - p, 2 - voter) for a, b, p, voter in votes).confidence(prior=prior)
    assert after.lower[renamed] == pytest.approx(before.lower, rel=1e-6, nan_ok=True)
    assert after.upper[renamed] == pytest.approx(before.upper, rel=1e-6, nan_ok=True)


def test_ties_among_equals_make_intervals_narrower_and_never_nothing() -> None:
    few, many = repeated((0, 1, 0.5, 50)), repeated((0, 1, 0.5, 5000))
    decided = repeated((0, 1, 1.0, 25), (0, 1, 0.0, 25))
    wide, narrow, plain = (margins(votes.confidence(2))[0] for votes in (few, many, decided))
    assert wide < plain / 2
    assert wide > 10
    assert 0 < narrow < wide / 50


def test_the_undefeated_and_the_winless_have_the_widest_intervals() -> None:
    votes = repeated((0, 1, 1.0, 20), (1, 2, 1.0, 20), (1, 2, 0.0, 20), (2, 3, 1.0, 20))
    found = margins(votes.confidence(4))
    assert min(found[0], found[3]) > 2 * max(found[1], found[2])


def test_an_island_has_the_intervals_it_has_alone() -> None:
    island = [(0, 1, float(n % 3 > 0), n) for n in range(30)]
    # The other island's two voters know little of one another; that must not spoil this one.
    both = columns([*island, (2, 3, 1.0, 50), (2, 3, 0.0, 51)])
    assert margins(both.confidence(4))[:2] == pytest.approx(margins(columns(island).confidence(4))[:2], rel=1e-9)
    assert both.clusters(4).voters.tolist() == [30, 30, 2, 2]
    assert both.confidence(4).quantiles.t[2] > 3 * both.confidence(4).quantiles.t[0]


# -- voters --------------------------------------------------------------------------------------


def test_a_voter_who_votes_alike_ten_times_is_not_ten_voters(rng: np.random.Generator) -> None:
    alone = simulated(rng, 5, 200)
    copies = Votes(alone.a.repeat(10), alone.b.repeat(10), alone.points.repeat(10), alone.voter.repeat(10))
    strangers = replace(copies, voter=np.arange(2000))
    once, again, apart = (margins(votes.confidence(5, 0))[0] for votes in (alone, copies, strangers))
    assert again == pytest.approx(once, rel=0.03)
    assert apart == pytest.approx(once / 10**0.5, rel=0.03)


def test_degrees_of_freedom_count_voters_as_they_weigh() -> None:
    def degrees(*votes: int) -> float:
        voters = np.repeat(np.arange(len(votes)), votes)
        return float(columns((0, 1, float(n % 2), int(v)) for n, v in enumerate(voters)).clusters(2).degrees[0])

    assert degrees(1, 1, 1, 1, 1) == degrees(6, 6, 6, 6, 6) == pytest.approx(4)
    assert degrees(20, 10, 10) == pytest.approx(40**2 / 600 - 1)
    assert degrees(1000, 1) == 1
    assert degrees(7) == 0


def test_votes_of_one_voter_count_as_independent(rng: np.random.Generator) -> None:
    votes = simulated(rng, 4, 200, voters=1)
    assert margins(votes.confidence(4)) == pytest.approx(margins(confidence(votes.fit(4))))


def test_the_clustered_sandwich_is_the_same_in_one_block_and_in_many(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = simulated(rng, 5, 2000, voters=37)
    whole = votes.clusters(5).meat
    monkeypatch.setattr("arena.ratings.intervals._CELLS_AT_ONCE", 20)
    assert votes.clusters(5).meat == pytest.approx(whole, rel=1e-9)


def test_an_older_pass_over_the_voters_serves_a_board_with_newcomers(rng: np.random.Generator) -> None:
    votes = simulated(rng, 5, 500, voters=20)
    older = votes.confidence(5)
    newer = confidence(votes.fit(7), votes.clusters(5), older.quantiles)
    assert newer.lower[:5] == pytest.approx(older.lower)
    assert newer.reach[:5, :5] == pytest.approx(older.reach)
    assert np.isnan(newer.lower[5:]).all()


# -- all differences at once ---------------------------------------------------------------------


def round_robin(size: int, voters: int = 1) -> Votes:
    """Everybody beats everybody once, in each voter's eyes."""
    return columns((a, b, 1.0, v) for v in range(voters) for a in range(size) for b in range(size) if a != b)


@pytest.mark.parametrize("size", [3, 8, 40])
def test_among_equals_the_quantile_is_that_of_the_studentized_range(size: int) -> None:
    found = confidence(round_robin(size).fit(size)).quantiles
    expected = studentized_range.ppf(0.95, size, np.inf) / math.sqrt(2)
    assert found.z == pytest.approx(np.full(size, expected), rel=0.02)
    assert np.isnan(found.t).all()


@pytest.mark.parametrize("voters", [3, 11, 500])
def test_of_two_contestants_the_quantiles_are_those_of_one_difference(voters: int) -> None:
    votes = round_robin(2, voters)
    found = votes.confidence(2).quantiles
    assert found.z[0] == pytest.approx(Z, rel=0.03)
    assert found.t[0] == pytest.approx(t.ppf(0.975, voters - 1), rel=0.07)


def test_with_few_voters_each_difference_may_be_off_by_itself() -> None:
    found = round_robin(8, 15).confidence(8).quantiles
    # What a multivariate t has, of which all differences share the divisor.
    shared = studentized_range.ppf(0.95, 8, 14) / math.sqrt(2)
    assert shared * 1.03 < found.t[0] < shared * 1.2


def off(sure: Confidence, fitted: Fit, truth: Floats) -> bool:
    """Whether any difference of ratings misses the true one by more than the margin."""
    error = fitted.rating - truth
    return bool(np.any(np.abs(error[:, None] - error[None, :]) > sure.reach))


@pytest.mark.slow
@pytest.mark.parametrize("ties", [0.0, 0.25])
def test_margins_hold_for_all_differences_at_once_on_95_of_100_boards(ties: float, rng: np.random.Generator) -> None:
    missed, quantiles = 0, None
    for _ in range(400):
        votes = simulated(rng, 6, 400, spread=0, ties=ties)
        fitted = votes.fit(6)
        sure = confidence(fitted, clusters(votes.groups, fitted), quantiles)
        quantiles = sure.quantiles
        missed += off(sure, fitted, np.full(6, 1000.0))
    # Of 400 boards the standard error is 1.1 %.
    assert 0.025 <= missed / 400 <= 0.075


def test_quantiles_are_used_again_where_they_speak_for_all(rng: np.random.Generator) -> None:
    two_islands = columns([(0, 1, 1.0, 0), (1, 2, 1.0, 1), (3, 4, 1.0, 0)])
    fitted = two_islands.fit(6)
    first = confidence(fitted)
    made_up = replace(first.quantiles, z=first.quantiles.z * 2)
    assert confidence(fitted, quantiles=made_up).reach == pytest.approx(first.reach * 2, nan_ok=True)
    # A newcomer joins the island of contestant 0 and shares its quantile.
    joined = columns([(0, 1, 1.0, 0), (1, 2, 1.0, 1), (3, 4, 1.0, 0), (5, 0, 1.0, 0)]).fit(6)
    assert np.isfinite(confidence(joined, quantiles=made_up).reach[5, :3]).all()
    assert confidence(joined, quantiles=made_up).quantiles.z[0] == made_up.z[0]
    # Nothing was drawn for an island that was not there.
    drawn_without = Quantiles(np.full(6, np.nan), np.full(6, np.nan))
    assert confidence(fitted, quantiles=drawn_without).reach == pytest.approx(first.reach, nan_ok=True)


def test_quantiles_drawn_before_voters_were_looked_at_are_widened_for_them(rng: np.random.Generator) -> None:
    votes = simulated(rng, 4, 60, voters=4)
    fitted = votes.fit(4)
    before = confidence(fitted)
    after = confidence(fitted, votes.clusters(4), before.quantiles)
    assert np.all(after.reach >= before.reach - 1e-9)
    assert np.any(after.reach > before.reach * 1.05)


def test_a_higher_level_asks_for_wider_intervals(rng: np.random.Generator) -> None:
    fitted = simulated(rng, 4, 300).fit(4)
    narrow, wide = confidence(fitted, level=0.9), confidence(fitted, level=0.99)
    assert margins(wide) / margins(narrow) == pytest.approx(np.full(4, 2.5758 / 1.6449), rel=1e-3)
    assert np.all((wide.reach > narrow.reach) | np.eye(4, dtype=bool))


@pytest.mark.parametrize("level", [0, 1, math.nan])
def test_a_senseless_level_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        confidence(columns([]).fit(2), level=level)


def test_without_contestants_there_is_nothing_to_say() -> None:
    assert columns([]).confidence(0).reach.shape == (0, 0)


def test_real_votes_have_intervals_of_use(shared_data: Path) -> None:
    votes, names = real_votes(shared_data)
    found = margins(votes.confidence(len(names)))
    assert 20 < found.min() < found.max() < 200
