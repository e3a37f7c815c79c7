"""Bradley–Terry strengths at equal style: what is left of a lead once length, headings, lists and bold are held equal.

T. Li, A. Angelopoulos and W.-L. Chiang, Does style matter? Disentangling style and substance in Chatbot Arena (LMSYS
blog, August 2024): each vote's differences of style stand beside its contestants in one logistic regression. Theirs
takes the mean from each difference too; here it stays, so that swapping the sides changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, ndtri, stdtrit

from arena.ratings.bradley_terry import (
    POINTS_PER_LOGIT,
    PRIOR_DRAWS,
    Fit,
    chances,
    fit,
    information,
    laplacian,
    slope,
    solved,
)
from arena.ratings.intervals import (
    LEVEL,
    Clusters,
    Confidence,
    Quantiles,
    clusters,
    confidence,
    of_differences,
    widest,
)
from arena.ratings.tally import Floats, Integers, count, group

STYLES = ("length", "headings", "lists", "bold")

_NEWTON_STEPS = 100
_NEWTON_REACH = 1e-9
_CELLS_AT_ONCE = 250_000
# Draws that hold each effect, at least: where style follows from who plays alone, votes can't tell the two apart.
_FEWEST_DRAWS = 1e-3
# As in `intervals`: votes decided between equals that are taken to have come before all.
_DECIDED = 10.0


@dataclass(frozen=True)
class Effects:
    """(J,) each: points of rating for one standard deviation more of a style, and the interval of each by itself.

    `deviation` is the root mean square of the differences. Where it is 0, that is where all answers are alike, the
    effect is 0 and has no interval (NaN).
    """

    points: Floats
    lower: Floats
    upper: Floats
    deviation: Floats


@dataclass(frozen=True)
class _Votes:
    """Columns of n votes, each between members of one component, and their scaled differences of style (J, n)."""

    a: Integers
    b: Integers
    points: Floats
    voter: Integers
    style: Floats
    size: int

    def predicted(self, weights: Floats) -> Floats:
        """(n,) what strengths and effects (K + J,) add up to in each vote."""
        return np.asarray(weights[self.a] - weights[self.b] + weights[self.size :] @ self.style)

    def sums(self, values: Floats) -> Floats:
        """(K + J,) sum over votes of the value times the vote's row of the design."""
        return np.concatenate([self._by_contestant(values), self.style @ values])

    def squares(self, values: Floats) -> Floats:
        """(K + J, K + J) sum over votes of the value times the outer product of the vote's row of the design."""
        by_pair = np.asarray(np.bincount(self.a * self.size + self.b, values, self.size**2), np.float64)
        by_pair = by_pair.reshape(self.size, self.size)
        weighted = self.style * values
        cross = np.stack([self._by_contestant(row) for row in weighted])
        return np.block([[laplacian(by_pair + by_pair.T), cross.T], [cross, weighted @ self.style.T]])

    def _by_contestant(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.a, values, self.size) - np.bincount(self.b, values, self.size))


def controlled(
    a: Integers,
    b: Integers,
    points: Floats,
    voter: Integers,
    style: Floats,
    size: int,
    prior: float = PRIOR_DRAWS,
    quantiles: Quantiles | None = None,
    level: float = LEVEL,
) -> tuple[Fit, Confidence, Effects]:
    """Strengths at equal style, their intervals, and what each style is worth to voters.

    `a`, `b` and `voter` (n,) are codes, `points` (n,) those of a: 1, 0, or 0.5 for a tie. `style` (n, J) holds
    differences of the two answers, (a - b) / (a + b + 1), all known. They are divided by their root mean square; each
    effect has a prior too, of `prior` draws between answers one of which has a standard deviation more of it.
    Intervals and margins are those of `intervals.confidence`, of the joint covariance of strengths and effects.
    Takes about a second for a million votes.
    Raises `ValueError` for what `fit` and `count` don't take and for styles that are not known, `ArithmeticError`
    where votes and prior are too extreme for a fit.
    """
    if style.shape != (len(a), style.shape[-1]) or not np.isfinite(style).all():
        raise ValueError("Styles of votes must be known, a row for each vote.")
    plain = fit(count(a, b, points, size), prior)
    clustered = clusters(group(voter, a, b, points), plain)
    deviation = np.sqrt(np.square(style, dtype=np.float64).mean(0)) if len(a) else np.zeros(style.shape[1])
    inside = (a != b) & (plain.component[a] == plain.component[b])
    seen = np.flatnonzero((deviation > 0) & style[inside].any(0))
    if not len(seen):
        return plain, confidence(plain, clustered, quantiles, level), _told(np.zeros((3, 0)), seen, deviation)
    one, other = np.asarray(a[inside], np.int64), np.asarray(b[inside], np.int64)
    scaled = np.stack([style[inside, number] / deviation[number] for number in seen])
    votes = _Votes(one, other, np.asarray(points[inside], np.float64), voter[inside], scaled, size)
    weights = _maximum(votes, plain)
    fitted = Fit(plain.counts, prior, np.where(np.isnan(plain.strength), np.nan, weights[:size]), plain.component)
    covariances = _covariances(votes, fitted, weights, clustered)
    quantiles = confidence(fitted, clustered, quantiles, level).quantiles
    sure = _confidence(fitted, covariances, clustered.degrees, quantiles, level)
    return fitted, sure, _told(_effects(votes, weights[size:], covariances, level), seen, deviation)


def _told(effects: Floats, seen: Integers, deviation: Floats) -> Effects:
    """Effects of all styles, from those (3, J) of the styles that differ."""
    points, lower, upper = np.zeros(len(deviation)), *np.full((2, len(deviation)), np.nan)
    points[seen], lower[seen], upper[seen] = effects
    return Effects(points, lower, upper, deviation)


def _maximum(votes: _Votes, plain: Fit) -> Floats:
    """(K + J,) strengths and effects of the highest likelihood, by the damped steps of `bradley_terry.maximum`."""
    weights = np.concatenate([np.nan_to_num(plain.strength), np.zeros(len(votes.style))])
    predicted = votes.predicted(weights)
    for _ in range(_NEWTON_STEPS):
        chance = expit(predicted)
        gradient = votes.sums(votes.points - chance) + _prior_slope(plain, weights)
        step = solved(_information(votes, plain, weights, chance * (1 - chance)), gradient)
        change = votes.predicted(step)
        # The prior's draws are votes too: between contestants, and for each effect by itself.
        reach = float(max(np.abs(change).max(), np.ptp(step[: votes.size]), np.abs(step[votes.size :]).max()))
        damping = 1.0 if reach < _NEWTON_REACH else np.log1p(reach) / reach
        weights, predicted = weights + damping * step, predicted + damping * change
        if reach < _NEWTON_REACH:
            gauge = plain.same / plain.compared
            return np.concatenate([weights[: votes.size] - gauge @ weights[: votes.size], weights[votes.size :]])
    raise ArithmeticError("The fit at equal style did not converge; the prior is too small for these votes.")


def _prior_slope(plain: Fit, weights: Floats) -> Floats:
    """(K + J,) what the prior's draws add to the derivative of the log-likelihood."""
    size = len(plain.component)
    draws = plain.prior * plain.same * (1 - np.eye(size))
    effects = max(plain.prior, _FEWEST_DRAWS) * (0.5 - expit(weights[size:]))
    return np.concatenate([slope(draws / 2, chances(weights[:size])), effects])


def _information(votes: _Votes, plain: Fit, weights: Floats, variances: Floats) -> Floats:
    """(K + J, K + J) what votes and prior know, and the directions of strength that nothing is known of."""
    size = votes.size
    draws = plain.prior * plain.same * (1 - np.eye(size))
    known = votes.squares(variances)
    known[:size, :size] += information(draws, chances(weights[:size])) + plain.same / plain.compared
    chance = expit(weights[size:])
    known[size:, size:] += np.diag(max(plain.prior, _FEWEST_DRAWS) * chance * (1 - chance))
    return known


def _covariances(votes: _Votes, fitted: Fit, weights: Floats, clustered: Clusters) -> list[Floats]:
    """(K + J, K + J) each: covariances of strengths and effects: the model's, the sandwich, and clustered by voter."""
    size = votes.size
    chance = expit(votes.predicted(weights))
    variances = chance * (1 - chance)
    bread = cho_solve(cho_factor(_information(votes, fitted, weights, variances)), np.eye(len(weights)))
    bread[:size, :size] -= fitted.same / fitted.compared
    residual = votes.points - chance
    sandwich = bread @ votes.squares(residual * residual) @ bread
    by_voter = bread @ _meat(votes, residual) @ bread
    share = _decided(votes, variances, fitted.component)
    few = np.append(clustered.correction, np.full(len(votes.style), _correction(votes.voter)))
    return [bread * np.sqrt(np.outer(share, share)), sandwich, by_voter * np.sqrt(np.outer(few, few))]


def _correction(voter: Integers) -> float:
    """What `Clusters.correction` is for each component, for all votes together."""
    votes = np.bincount(voter).astype(np.float64)
    if np.count_nonzero(votes) < 2:
        return 0.0
    return 1 + 1 / max(1.0, float(votes.sum() ** 2 / (votes**2).sum()) - 1)


def _decided(votes: _Votes, variances: Floats, component: Integers) -> Floats:
    """(K + J,) the share of a vote's variance that ties leave, in the contestant's component, for effects in all."""
    of = component[votes.a]
    ties, room = np.bincount(of, votes.points == 0.5), np.bincount(of, 4 * variances)
    shares = 1 - np.minimum(ties, room) / (_DECIDED + room)
    overall = 1 - np.minimum(ties.sum(), room.sum()) / (_DECIDED + room.sum())
    # Components without votes have no variance to share.
    shares = np.pad(shares, (0, int(component.max()) + 1 - len(shares)))
    return np.append(shares[component], np.full(len(votes.style), overall))


def _meat(votes: _Votes, residual: Floats) -> Floats:
    """(K + J, K + J) sum of the outer products of the voters' score vectors, some voters at a time."""
    order = np.argsort(votes.voter, kind="stable")
    voter = np.cumsum(np.diff(votes.voter[order], prepend=votes.voter[order[:1]]) > 0)
    width = votes.size + len(votes.style)
    block = max(1, _CELLS_AT_ONCE // width)
    meat = np.zeros((width, width))
    for first in range(0, int(voter[-1]) + 1, block):
        among = slice(*np.searchsorted(voter, (first, first + block)))
        part, row = order[among], (voter[among] - first) * width
        cells = int(row[-1]) + width
        scores = np.bincount(row + votes.a[part], residual[part], cells)
        scores -= np.bincount(row + votes.b[part], residual[part], cells)
        for column, style in enumerate(votes.style, votes.size):
            scores += np.bincount(row + column, residual[part] * style[part], cells)
        table = scores.reshape(-1, width)
        meat += table.T @ table
    return meat


def _confidence(
    fitted: Fit, covariances: list[Floats], degrees: Floats, quantiles: Quantiles, level: float
) -> Confidence:
    """As `intervals.confidence` makes it of its covariances."""
    size = len(fitted.component)
    one = _marginal(degrees, level)
    margin = widest([np.diag(covariance)[:size] for covariance in covariances], *one)
    # Quantiles of t, from those of z where there were no clusters yet when they were drawn.
    t = np.where(np.isnan(quantiles.t), quantiles.z * one[1] / one[0], quantiles.t)
    z, t = (np.fmax.outer(quantile, quantile) for quantile in (quantiles.z, t))
    reach = widest([of_differences(covariance[:size, :size]) for covariance in covariances], z, t)
    margin, reach = np.where(fitted.compared > 1, margin, np.nan), np.where(fitted.same > 0, reach, np.nan)
    return Confidence(fitted.rating - margin, fitted.rating + margin, reach, quantiles)


def _effects(votes: _Votes, effects: Floats, covariances: list[Floats], level: float) -> Floats:
    """(3, J) effects in points, their lower and upper ends."""
    times = np.bincount(votes.voter).astype(np.float64)
    degrees = max(1.0, times.sum() ** 2 / (times**2).sum() - 1) if np.count_nonzero(times) > 1 else 0.0
    one = _marginal(np.full(len(effects), degrees), level)
    margin = widest([np.diag(covariance)[votes.size :] for covariance in covariances], *one)
    points = POINTS_PER_LOGIT * effects
    return np.stack([points, points - margin, points + margin])


def _marginal(degrees: Floats, level: float) -> tuple[float, Floats]:
    """Quantiles of one error: normal, and t with these degrees of freedom (0: normal too)."""
    z = float(ndtri(0.5 + level / 2))
    return z, np.where(degrees > 0, stdtrit(np.maximum(degrees, 1), 0.5 + level / 2), z)
