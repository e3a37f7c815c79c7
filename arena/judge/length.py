"""How far a judge's verdicts follow the length of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, stdtrit

from arena.judge.bootstrap import LEVEL, Estimate, share
from arena.judge.joined import Compared, numbered
from arena.ratings.tally import Floats, Integers

_EDGES = (1.0, 1.25, 2.0, inf)
_A_WEIGHT = 10
_NEWTON_STEPS = 50
_NEWTON_REACH = 1e-10
_STEEPEST = 20.0  # log odds: whoever gets there in search of a maximum goes on for ever


@dataclass(frozen=True)
class LengthBin:
    """Comparisons in which the longer answer has more than `low` to `high` (None: or more) times the characters.

    `longer_wins`: the share of points the longer answer gets, a tie half a point.
    """

    low: float
    high: float | None
    longer_wins: Estimate


@dataclass(frozen=True)
class LengthBias:
    """How the verdict goes with the difference of length.

    `longer_wins`: over all comparisons of unequal length. `slope`: of a logistic regression of the verdict on the
    binary logarithm of the ratio of lengths, with the strength of each contestant held equal: what an answer of twice
    the length adds to the log odds of winning; None where the verdicts leave it open, or are too few.
    """

    longer_wins: Estimate
    bins: tuple[LengthBin, ...]
    slope: Estimate | None


def length_bias(comparisons: Sequence[Compared]) -> LengthBias | None:
    """Over the comparisons with a verdict on two answers that say something; None where none differ in length."""
    told = [one for one in comparisons if one.verdict is not None and min(one.lengths) > 0]
    unequal = [one for one in told if one.lengths[0] != one.lengths[1]]
    overall = _longer_wins(unequal)
    if overall is None:
        return None
    bins = []
    for low, high in pairwise(_EDGES):
        inside = [one for one in unequal if low < _times(one) <= high]
        if (wins := _longer_wins(inside)) is not None:
            bins.append(LengthBin(low, high if isfinite(high) else None, wins))
    a, b = np.array([one.lengths for one in told], np.float64).T
    sloping = slope(
        np.log2(a / b),
        np.array([one.points for one in told]),
        numbered([contestant for one in told for contestant in (one.a, one.b)]).reshape(-1, 2),
        numbered([one.cluster for one in told]),
    )
    return LengthBias(overall, tuple(bins), sloping)


def slope(x: Floats, points: Floats, pairs: Integers, cluster: Integers) -> Estimate | None:
    """The slope of a logistic regression of `points` (n,; 0 to 1) on `x` (n,), with a strength for each contestant.

    `pairs` (n, 2) has the numbers of both contestants, who gets the points first. A strength each, as Bradley and
    Terry have it, instead of one for each pair: those would be many where pairs meet seldom, and push the slope away
    from 0. `cluster` (n,) are numbers from 0. The interval is a t interval by the sandwich clustered by `cluster`
    (K.-Y. Liang and S. L. Zeger, Biometrika 73, 1986). None where there is no maximum, or many (x follows from who
    meets, so that strength explains the same), only one cluster, or fewer than ten comparisons a weight (P. Peduzzi et
    al., Journal of Clinical Epidemiology 49, 1996).
    """
    group = _groups(points, pairs)
    kept = group[pairs[:, 0]] == group[pairs[:, 1]]
    x, points, pairs, cluster = x[kept], points[kept], pairs[kept], numbered(cluster[kept].tolist())
    clusters = int(cluster.max(initial=-1)) + 1
    design = np.column_stack([x, _strengths(pairs, group)])
    enough = clusters > 1 and len(points) >= _A_WEIGHT * design.shape[1]
    found = _fitted(design, points) if enough and _has_full_rank(design) else None
    if found is None:
        return None
    weights, bread = found
    scores = np.zeros((clusters, len(weights)))
    np.add.at(scores, cluster, design * (points - expit(design @ weights))[:, None])
    variance = (bread @ scores.T @ scores @ bread)[0, 0] * clusters / (clusters - 1)
    reach = float(stdtrit(clusters - 1, 0.5 + LEVEL / 2) * np.sqrt(variance))
    return Estimate(float(weights[0]), float(weights[0]) - reach, float(weights[0]) + reach, len(points))


def _groups(points: Floats, pairs: Integers) -> Integers:
    """(contestants,) a group's number for each: within one everybody got points, by whatever way, off everybody else.

    Between two groups one side has all points, which any slope explains: the gap in strength has no bounds.
    """
    size = int(pairs.max(initial=-1)) + 1
    got = np.zeros((size, size))
    np.add.at(got, (pairs[:, 0], pairs[:, 1]), points)
    np.add.at(got, (pairs[:, 1], pairs[:, 0]), 1 - points)
    return np.asarray(connected_components(got > 0, connection="strong")[1], np.int64)


def _strengths(pairs: Integers, group: Integers) -> Floats:
    """(n, k) which strengths each comparison adds and takes away; the first of each group is at 0 and has no column."""
    sides = np.eye(len(group))
    first = np.unique(group, return_index=True)[1]
    free = np.setdiff1d(np.unique(pairs), first)
    return (sides[pairs[:, 0]] - sides[pairs[:, 1]])[:, free]


def _fitted(design: Floats, points: Floats) -> tuple[Floats, Floats] | None:
    """Weights (k,) of the highest likelihood and their inverse information (k, k), by Newton; None: there is none."""
    weights = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = expit(design @ weights)
        information = (design * (chance * (1 - chance))[:, None]).T @ design
        if not _has_full_rank(information):  # so flat that rounding decides on the step
            return None
        bread = np.asarray(np.linalg.inv(information), np.float64)
        step = bread @ design.T @ (points - chance)
        # A step of more than 1 would overshoot where the curve is flat.
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(weights).max() > _STEEPEST:
            return None
        if np.abs(step).max() < _NEWTON_REACH:
            return weights, bread
    return None


def _has_full_rank(matrix: Floats) -> bool:
    """Whether no column is a sum of multiples of the others, up to rounding."""
    return bool(np.linalg.matrix_rank(matrix) == matrix.shape[1])


def _longer_wins(unequal: Sequence[Compared]) -> Estimate | None:
    question = numbered([one.cluster for one in unequal])
    points = [one.points if one.lengths[0] > one.lengths[1] else 1 - one.points for one in unequal]
    return share(np.bincount(question, points), np.bincount(question))


def _times(one: Compared) -> float:
    """How many times as long the longer answer is."""
    return max(one.lengths) / min(one.lengths)
