"""Votes → Elo and Bradley–Terry ratings with intervals. Pure: no clock, disk or database.

Both take votes as columns: contestants `a` and `b` and the points of side a (1, 0, or 0.5 for a tie
and for both-bad). Elo is a fold in commit order; Bradley–Terry is a fit on a `Tally` of counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import exp, isfinite, log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

START = 1000.0
SCALE = 400.0
BASE = 10.0
K_FACTOR = 4.0
PRIOR_DRAWS = 0.2
LEVEL = 0.95

_POINTS_PER_LOGIT = SCALE / log(BASE)
_NEWTON_STEPS = 500
_NEWTON_REACH = 1e-9
_CELLS_AT_ONCE = 250_000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rating:
    """What a Bradley–Terry fit says of one contestant, in Elo points.

    `rating` is None where no finite one exists (prior 0 and separable votes). `lower` and `upper` are
    None where nothing was compared. Ratings of different components are not comparable: no chain of
    votes connects them. Component 0 has the most votes. `wins` counts a tie as half a win.
    """

    contestant: str
    rating: float | None
    lower: float | None
    upper: float | None
    votes: int
    wins: float
    component: int


def elo(
    a: Sequence[str],
    b: Sequence[str],
    points: Sequence[float],
    start: Mapping[str, float] | None = None,
    *,
    k: float = K_FACTOR,
    scale: float = SCALE,
    base: float = BASE,
    initial: float = START,
) -> dict[str, float]:
    """Online Elo, folded over votes in the order given; `start` continues an earlier fold.

    The order matters: the last votes weigh most. Formula: A. E. Elo, The Rating of Chessplayers (1978);
    the defaults are those of Chatbot Arena. Raises `ValueError` where the columns differ in length.
    """
    ratings = dict.fromkeys(chain(a, b), initial)
    ratings.update(start or {})
    rate = log(base) / scale
    for one, other, score in zip(a, b, points, strict=True):
        gain = k * (score - 1.0 / (1.0 + exp((ratings[other] - ratings[one]) * rate)))
        ratings[one] += gain
        ratings[other] -= gain
    return ratings


@dataclass(frozen=True)
class Groups:
    """Votes summed by voter and pair, as columns of equal length, ordered by voter.

    `low` and `high` are positions of contestants with low < high; `votes`, `points` and `squares` are
    the number of votes, the sum of the points of `low`, and the sum of their squares.
    """

    voter: Integers
    low: Integers
    high: Integers
    votes: Floats
    points: Floats
    squares: Floats

    def among(self, members: Integers, size: int) -> Groups:
        """The groups whose contestants are both members, renumbered by their place in `members`."""
        place = np.full(size, -1)
        place[members] = np.arange(len(members))
        low, high = place[self.low], place[self.high]
        kept = (low >= 0) & (high >= 0)
        return Groups(self.voter[kept], low[kept], high[kept], self.votes[kept], self.points[kept], self.squares[kept])


class Tally:
    """Votes counted by voter and pair: all that a fit needs, and what new votes are added to.

    Votes of a contestant against itself carry no information and are left out.
    """

    def __init__(self, contestants: Iterable[str] = ()) -> None:
        self._places = {name: place for place, name in enumerate(dict.fromkeys(contestants))}
        self._voters: dict[str, int] = {}
        self._keys: Integers = np.empty(0, np.int64)
        self._sums: Floats = np.empty((3, 0))

    @property
    def contestants(self) -> tuple[str, ...]:
        return tuple(self._places)

    @property
    def voters(self) -> int:
        return len(self._voters)

    @property
    def groups(self) -> Groups:
        voter, pair = self._keys >> 32, self._keys & 0xFFFFFFFF
        return Groups(voter, pair >> 16, pair & 0xFFFF, *self._sums)

    def add(self, a: Sequence[str], b: Sequence[str], points: Sequence[float], voters: Sequence[str]) -> None:
        """Count votes. Raises `ValueError`, and counts none, for uneven columns or points outside 0 … 1."""
        score = np.asarray(points, np.float64)
        if not len(a) == len(b) == len(score) == len(voters):
            raise ValueError("The columns of votes differ in length.")
        if not np.all((score >= 0) & (score <= 1)):
            raise ValueError("Points of a vote lie between 0 and 1.")
        one, other, voter = _places(self._places, a), _places(self._places, b), _places(self._voters, voters)
        score = np.where(one > other, 1 - score, score)
        keys = voter << 32 | np.minimum(one, other) << 16 | np.maximum(one, other)
        self._merge(keys[one != other], np.stack([np.ones_like(score), score, score**2])[:, one != other])

    def _merge(self, keys: Integers, sums: Floats) -> None:
        merged, group = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        rows = np.concatenate([self._sums, sums], axis=1)
        self._sums = np.stack([np.bincount(group, row, len(merged)) for row in rows])
        self._keys = merged


def _places(known: dict[str, int], names: Sequence[str]) -> Integers:
    for name in dict.fromkeys(names):
        known.setdefault(name, len(known))
    return np.fromiter(map(known.__getitem__, names), np.int64, len(names))


def bradley_terry(tally: Tally, prior: float = PRIOR_DRAWS, level: float = LEVEL) -> dict[str, Rating]:
    """Maximum-likelihood Bradley–Terry strengths on the Elo scale; every component has the mean 1000.

    Model: R. A. Bradley and M. E. Terry, Biometrika 39 (1952). A tie and both-bad count as half a win
    each, which shrinks the scale: with 25 % ties a true spread of 240 points reads as 173.

    `prior` is the number of draws added to every pair of a component (0 or more). It keeps undefeated
    and winless contestants finite. With prior 0 a component is a set whose members all beat or tied
    each other through some chain; whoever stands outside of any has no finite rating and gets None.

    Intervals hold for one contestant at a time at `level`, not for all jointly. Their width is the
    largest of three: inverse Hessian, sandwich, and sandwich clustered by voter (factor G/(G-1) for G
    voters). So they hold too often where many votes are ties (98 % at a quarter of ties), and not often
    enough where fewer than thirty voters differ in taste.
    Raises `ValueError` for a negative prior or a level outside 0 … 1.
    """
    if not (isfinite(prior) and prior >= 0 and 0 < level < 1):
        raise ValueError("The prior must be 0 or more, the level between 0 and 1.")
    names, groups = tally.contestants, tally.groups
    met, won = _matrices(groups, len(names))
    component = _components(met > 0 if prior else won > 0, met.sum(1))
    center, margin = np.full(len(names), np.nan), np.full(len(names), np.nan)
    center[met.sum(1) == 0] = START
    quantile = NormalDist().inv_cdf(0.5 + level / 2)
    for number in np.flatnonzero(np.bincount(component) > 1):
        members = np.flatnonzero(component == number)
        inside = groups.among(members, len(names))
        strength = _strengths(*_matrices(inside, len(members), prior))
        center[members] = START + _POINTS_PER_LOGIT * strength
        margin[members] = quantile * _POINTS_PER_LOGIT * _standard_errors(strength, inside, prior)
    columns = (center, center - margin, center + margin, met.sum(1), won.sum(1), component)
    return {name: _rating(name, *values) for name, *values in zip(names, *map(np.ndarray.tolist, columns), strict=True)}


def _rating(name: str, center: float, lower: float, upper: float, votes: float, wins: float, component: int) -> Rating:
    rating, low, high = (value if isfinite(value) else None for value in (center, lower, upper))
    return Rating(name, rating, low, high, round(votes), wins, component)


def _matrices(groups: Groups, size: int, prior: float = 0.0) -> tuple[Floats, Floats]:
    """How often each pair met, and the points of the row against the column; prior draws included."""
    draws = prior * (1 - np.eye(size))
    won = _by_pair(groups, groups.points, size) + _by_pair(groups, groups.votes - groups.points, size).T + draws / 2
    return won + won.T, won


def _by_pair(groups: Groups, values: Floats, size: int) -> Floats:
    sums = np.bincount(groups.low * size + groups.high, values, size * size)
    return np.asarray(sums, np.float64).reshape(size, size)


def _components(edge: NDArray[np.bool_], votes: Floats) -> Integers:
    """The number of each contestant's component: sets in which everybody reaches everybody along edges."""
    reach = edge | np.eye(len(edge), dtype=np.bool_)
    for _ in range(len(edge).bit_length()):
        hops = reach.astype(np.float32)
        reach = hops @ hops > 0
    first = np.argmax(reach & reach.T, axis=1) if len(edge) else np.empty(0, np.int64)
    _, label = np.unique(first, return_inverse=True)
    order = np.argsort(-np.bincount(label, votes), kind="stable")
    return np.argsort(order)[label]


def _strengths(met: Floats, won: Floats) -> Floats:
    """Logit strengths with mean 0, by damped Newton steps.

    Along a direction whose differences stay within r, the curvature of this likelihood grows by at
    most exp(r t); the step ln(1 + r) / r minimises that bound, so it never overshoots (T. Sun and
    Q. Tran-Dinh, Generalized self-concordant functions, Mathematical Programming 178, 2019).
    """
    strength = np.zeros(len(met))
    for _ in range(_NEWTON_STEPS):
        chance = _chances(strength)
        # Written with both chances, not 1 - chance, which would lose the digits of the undefeated.
        slope = (won * chance.T - won.T * chance).sum(1)
        step = np.linalg.solve(_laplacian(met * chance * chance.T) + 1 / len(met), slope)
        reach = float(np.ptp(step))
        if reach < _NEWTON_REACH:
            strength += step
            return np.asarray(strength - strength.mean())
        strength += step * np.log1p(reach) / reach
    raise ArithmeticError("The Bradley–Terry fit did not converge; the prior is too small for these votes.")


def _standard_errors(strength: Floats, groups: Groups, prior: float) -> Floats:
    """Standard errors of centred logit strengths; see `bradley_terry` for the three that are compared."""
    size = len(strength)
    chance = _chances(strength)
    met, _ = _matrices(groups, size, prior)
    # Strengths are known up to a constant only: 11'/K fills that direction and is taken out again.
    bread = np.asarray(np.linalg.inv(_laplacian(met * chance * chance.T) + 1 / size) - 1 / size, np.float64)
    expected = chance[groups.low, groups.high]
    squared = groups.squares - 2 * expected * groups.points + expected**2 * groups.votes
    scatter = _by_pair(groups, squared, size)
    variances = [np.diag(bread), _diagonal(bread, _laplacian(scatter + scatter.T))]
    voters = len(np.unique(groups.voter))
    if voters > 1:
        meat = _clustered(groups, groups.points - expected * groups.votes, size)
        variances.append(_diagonal(bread, meat) * voters / (voters - 1))
    return np.asarray(np.sqrt(np.max(variances, axis=0)))


def _clustered(groups: Groups, residual: Floats, size: int) -> Floats:
    """Sum over voters of the outer product of a voter's score vector; groups are ordered by voter."""
    _, voter = np.unique(groups.voter, return_inverse=True)
    block = max(1, _CELLS_AT_ONCE // size)
    meat = np.zeros((size, size))
    for first in range(0, int(voter[-1]) + 1, block):
        part = slice(*np.searchsorted(voter, (first, first + block)))
        row = (voter[part] - first) * size
        cells = (int(row[-1]) // size + 1) * size
        scores = np.bincount(row + groups.low[part], residual[part], cells)
        scores -= np.bincount(row + groups.high[part], residual[part], cells)
        table = scores.reshape(-1, size)
        meat += table.T @ table
    return meat


def _chances(strength: Floats) -> Floats:
    """The chance that the row wins against the column."""
    return np.asarray(1 / (1 + np.exp(strength[None, :] - strength[:, None])))


def _laplacian(weights: Floats) -> Floats:
    return np.diag(weights.sum(1)) - weights


def _diagonal(bread: Floats, meat: Floats) -> Floats:
    """The diagonal of bread · meat · bread."""
    return np.asarray(np.einsum("ij,jk,ki->i", bread, meat, bread, optimize=True))
