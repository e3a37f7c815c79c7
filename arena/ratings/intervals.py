"""How sure ratings are: intervals of each, and margins of all differences at once.

Three covariances are compared, and the widest margin counts:

1. The model's, the inverse Hessian. A vote of expectation m, of which a share t are ties, has the variance
   m(1 - m) - t/4; with ties as frequent as m(1 - m) demands, t = T 4m(1 - m), that is (1 - T) m(1 - m). So the
   Hessian, which takes each vote for a decision, is scaled by 1 - T. Without ties it is the Hessian itself.
2. The sandwich (P. J. Huber, 1967; H. White, Econometrica 50, 1982): right also where the model does not hold.
3. The sandwich clustered by voter (K.-Y. Liang and S. L. Zeger, Biometrika 73, 1986), with quantiles of t. For G
   voters who vote equally often it has the usual factor G/(G - 1) and G - 1 degrees of freedom. Where some vote more,
   they are G*/(G* - 1) and G* - 1, with G* = (Σ n)² / Σ n² and n the votes of each voter: as many voters as would
   weigh the same if all voted equally often (after the effective number of clusters of A. V. Carter et al.,
   Review of Economics and Statistics 99, 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.special import ndtri, stdtrit

from arena.ratings.bradley_terry import POINTS_PER_LOGIT, Fit, information, laplacian, with_prior
from arena.ratings.tally import Floats, Groups, Integers

LEVEL = 0.95

# Votes decided between equals that are taken to have come before all: no ties were ever all there was to see.
_DECIDED = 10.0
_CELLS_AT_ONCE = 250_000
_SEED = 4
_DRAWN = 20_000_000
_MOST_DRAWS = 20_000
_FEWEST_DRAWS = 1_000
_ESTIMATED = 5_000_000
_MOST_DEGREES = 50


@dataclass(frozen=True)
class Clusters:
    """What clustering by voter takes from a pass over all votes.

    `meat` (K, K) sums the outer products of the voters' score vectors. `voters` and `degrees` (K,) are the number of
    voters and their degrees of freedom, those of the contestant's component; 0 where nobody voted.
    """

    meat: Floats
    voters: Integers
    degrees: Floats

    @property
    def correction(self) -> Floats:
        """(K,) G*/(G* - 1), since a fit follows its few voters more closely than others; 0 below two voters."""
        return np.where(self.degrees > 0, 1 + 1 / np.maximum(self.degrees, 1), 0)

    def after(self, growth: float) -> Clusters:
        """What it would be had the same voters cast `growth` times as many votes: no surer of other voters than now."""
        return replace(self, meat=self.meat * growth**2)

    def padded(self, size: int) -> Clusters:
        """Of `size` contestants, the new ones without voters."""
        room = (0, size - len(self.meat))
        return Clusters(np.pad(self.meat, room), np.pad(self.voters, room), np.pad(self.degrees, room))


@dataclass(frozen=True)
class Quantiles:
    """(K,) how many standard errors the largest error of all differences within the contestant's component reaches.

    `z` where standard errors are known, `t` where they are estimated from voters; NaN where there are no differences,
    `t` also where there are no clusters.
    """

    z: Floats
    t: Floats


@dataclass(frozen=True)
class Confidence:
    """`lower` and `upper` (K,): the interval of each rating by itself, in points; NaN where there is none.

    `reach` (K, K): margins of the differences of ratings, in points, that hold for all pairs of a component at once;
    NaN across components. `quantiles` are those it was made with.
    """

    lower: Floats
    upper: Floats
    reach: Floats
    quantiles: Quantiles


def clusters(groups: Groups, fitted: Fit) -> Clusters:
    """The part of the clustered sandwich that needs every voter's votes; those across components don't count."""
    component = fitted.component
    size = len(component)
    meat, voters, degrees = np.zeros((size, size)), np.zeros(size, np.int64), np.zeros(size)
    inside = component[groups.low] == component[groups.high]
    for number in np.unique(component[groups.low[inside]]):
        votes = _by_voter(groups, inside & (component[groups.low] == number))
        voters[component == number] = len(votes)
        # Not below 1, as Satterthwaite's (Σ l)² / Σ l² never is.
        degrees[component == number] = max(1.0, votes.sum() ** 2 / (votes**2).sum() - 1) if len(votes) > 1 else 0
    for scores in _scores(groups, fitted, inside):
        meat += scores.T @ scores
    return Clusters(meat, voters, degrees)


def confidence(
    fitted: Fit, clustered: Clusters | None = None, quantiles: Quantiles | None = None, level: float = LEVEL
) -> Confidence:
    """Intervals of ratings and margins of differences at `level`; see the module for what they are made of.

    Without `clustered`, or for a component with one voter, votes count as independent. `quantiles` of an earlier
    call spare drawing them, where they speak for all components. Raises `ValueError` for a level outside 0 … 1.
    """
    if not 0 < level < 1:
        raise ValueError("The level must lie between 0 and 1.")
    size = len(fitted.component)
    known = (clustered or Clusters(np.zeros((0, 0)), np.zeros(0, np.int64), np.zeros(0))).padded(size)
    bread = _bread(fitted)
    covariances = [
        bread * _decided(fitted),
        bread @ laplacian(_scatter(fitted)) @ bread,
        bread @ known.meat @ bread * known.correction,
    ]
    quantiles = _speaking_for(fitted, quantiles) or _drawn(fitted, known.degrees, level)
    one = _marginal(known.degrees, level)
    margin = widest([np.diag(covariance) for covariance in covariances], one.z, one.t)
    margin = np.where(fitted.compared > 1, margin, np.nan)
    z, t = (np.fmax.outer(quantile, quantile) for quantile in (quantiles.z, _in_t(quantiles, one)))
    reach = widest([of_differences(covariance) for covariance in covariances], z, t)
    reach = np.where(fitted.same > 0, reach, np.nan)
    return Confidence(fitted.rating - margin, fitted.rating + margin, reach, quantiles)


def _by_voter(groups: Groups, kept: NDArray[np.bool_]) -> Floats:
    """The number of votes of each voter."""
    first = np.flatnonzero(np.diff(groups.voter[kept], prepend=-1))
    return np.asarray(np.add.reduceat(groups.votes[kept], first), np.float64)


def _scores(groups: Groups, fitted: Fit, inside: NDArray[np.bool_]) -> Iterator[Floats]:
    """The voters' score vectors (voters, K), some voters at a time: memory, and turns for who shares the process."""
    size = len(fitted.component)
    chance = np.nan_to_num(fitted.chance)
    voter = np.cumsum(np.diff(groups.voter, prepend=groups.voter[:1]) > 0)
    block = max(1, _CELLS_AT_ONCE // max(size, 1))
    for first in range(0, int(voter[-1]) + 1 if len(voter) else 0, block):
        part = slice(*np.searchsorted(voter, (first, first + block)))
        low, high, votes = groups.low[part], groups.high[part], groups.votes[part]
        residual = np.where(inside[part], groups.points[part] - chance[low, high] * votes, 0)
        row = (voter[part] - first) * size
        cells = (int(row[-1]) // size + 1) * size
        scores = np.bincount(row + low, residual, cells) - np.bincount(row + high, residual, cells)
        yield np.asarray(scores, np.float64).reshape(-1, size)


def _information(fitted: Fit) -> Floats:
    """(K, K) what the fit knows of strengths; what is added fills the directions that votes leave open."""
    votes, _ = with_prior(fitted)
    return information(votes, np.nan_to_num(fitted.chance)) + fitted.same / fitted.compared


def _bread(fitted: Fit) -> Floats:
    """The inverse of the information on centred strengths."""
    inverse = cho_solve(cho_factor(_information(fitted)), np.eye(len(fitted.component)))
    return np.asarray(inverse - fitted.same / fitted.compared)


def _scatter(fitted: Fit) -> Floats:
    """(K, K) sum of the squares of points of the row less the chance."""
    counts, chance = fitted.counts, fitted.chance
    return np.nan_to_num(counts.squares - 2 * chance * counts.won + chance**2 * counts.votes)


def _decided(fitted: Fit) -> Floats:
    """(K,) the share of a vote's variance that ties leave, in the contestant's component: 1 without any."""
    chance = np.nan_to_num(fitted.chance)
    room = np.bincount(fitted.component, (fitted.counts.votes * 4 * chance * chance.T).sum(1) / 2)
    ties = np.bincount(fitted.component, (fitted.counts.ties * fitted.same).sum(1) / 2)
    return np.asarray(1 - np.minimum(ties, room) / (_DECIDED + room))[fitted.component]


def widest(variances: list[Floats], z: Floats | float, t: Floats) -> Floats:
    """Margins in points, of the model's variances, the sandwich's and those clustered by voter, of equal shapes."""
    model, sandwich, clustered = (np.sqrt(np.maximum(variance, 0)) for variance in variances)
    return np.asarray(POINTS_PER_LOGIT * np.maximum(z * np.maximum(model, sandwich), t * clustered))


def of_differences(covariance: Floats) -> Floats:
    """(K, K) variances of all differences, by a covariance (K, K)."""
    variance = np.diag(covariance)
    return np.asarray(variance[:, None] + variance[None, :] - covariance - covariance.T)


def _marginal(degrees: Floats, level: float) -> Quantiles:
    z = float(ndtri(0.5 + level / 2))
    t = np.where(degrees > 0, stdtrit(np.maximum(degrees, 1), 0.5 + level / 2), z)
    return Quantiles(np.full(len(degrees), z), t)


def _in_t(quantiles: Quantiles, one: Quantiles) -> Floats:
    """Quantiles of t, from those of z where there were no clusters yet when they were drawn."""
    return np.where(np.isnan(quantiles.t), quantiles.z * one.t / one.z, quantiles.t)


def _speaking_for(fitted: Fit, quantiles: Quantiles | None) -> Quantiles | None:
    """The quantiles, None where a component has none; a newcomer shares those of its component."""
    if quantiles is None:
        return None
    room = (0, len(fitted.component) - len(quantiles.z))
    z, t = (np.pad(quantile, room, constant_values=np.nan) for quantile in (quantiles.z, quantiles.t))
    known = np.bincount(fitted.component, ~np.isnan(z))[fitted.component] > 0
    return Quantiles(z, t) if np.all(known | (fitted.compared == 1)) else None


def _drawn(fitted: Fit, degrees: Floats, level: float) -> Quantiles:
    """By Monte Carlo: the largest of all |differences| / standard errors, of normal errors with the bread's covariance.

    The bread's, because a sandwich of few voters has few dimensions, in which all differences err as one.
    """
    rng = np.random.default_rng(_SEED)
    z, t = np.full((2, len(degrees)), np.nan)
    known = _information(fitted)
    for number in range(int(np.count_nonzero(np.bincount(fitted.component) > 1))):
        members = np.flatnonzero(fitted.component == number)
        root = solve_triangular(cholesky(known[np.ix_(members, members)]), np.eye(len(members)))
        size = len(members)
        draws = int(np.clip(_DRAWN / (size * (size - 1) / 2), _FEWEST_DRAWS, _MOST_DRAWS))
        errors = rng.standard_normal((draws, size)) @ root.T
        z[members] = np.quantile(_largest(errors, root), level)
        if degrees[members[0]] > 0:
            t[members] = z[members] + _excess(errors, root, float(degrees[members[0]]), level, rng)
    return Quantiles(z, t)


def _largest(errors: Floats, root: Floats) -> Floats:
    """Of each row of errors (draws, K), the largest |difference| / standard error."""
    largest = np.zeros(len(errors))
    for row in range(len(root) - 1):
        deviation = np.linalg.norm(root[row + 1 :] - root[row], axis=1)
        np.maximum(largest, (np.abs(errors[:, row + 1 :] - errors[:, row, None]) / deviation).max(1), out=largest)
    return largest


def _excess(errors: Floats, root: Floats, degrees: float, level: float, rng: np.random.Generator) -> float:
    """How much larger the quantile is where standard errors are those of an estimated covariance, a Wishart matrix.

    Each difference has a standard error of its own then: with few voters some are small by chance, and the quantile
    lies far above that of a multivariate t, whose errors share one divisor. Beyond some degrees of freedom the excess
    falls as 1 / degrees, so that it is drawn at those.
    """
    size, drawn = len(root), min(int(degrees), _MOST_DEGREES)
    errors = errors[: max(_FEWEST_DRAWS, _ESTIMATED // (size * (size + drawn)))]
    block = max(1, _CELLS_AT_ONCE // (size * (size + drawn)))
    largest = np.empty(len(errors))
    for first in range(0, len(errors), block):
        error = errors[first : first + block]
        sample = root @ rng.standard_normal((len(error), size, drawn))
        product = sample @ sample.transpose(0, 2, 1)
        own = np.einsum("nii->ni", product)
        square = (own[:, :, None] + own[:, None, :] - 2 * product) / drawn
        square[:, range(size), range(size)] = 1
        square = np.maximum(square, np.finfo(np.float64).tiny)
        ratio = (error[:, :, None] - error[:, None, :]) ** 2 / square
        largest[first : first + block] = np.sqrt(ratio.max((1, 2)))
    known = float(np.quantile(_largest(errors, root), level))
    return (float(np.quantile(largest, level)) - known) * drawn / degrees
