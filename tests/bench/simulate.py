"""Boards whose truth is known: votes cast by chance, for the benches and tests of ratings and of pairing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from arena.pairing import chances

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

POINTS_PER_LOGIT = 400 / np.log(10)
PRIOR = 0.2
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


def spaced(models: int, points: float) -> Floats:
    """(K,) strengths in logits, mean 0, evenly spaced; the best stands so many points above the worst."""
    return np.asarray(np.linspace(-0.5, 0.5, models) * points / POINTS_PER_LOGIT)


# -- votes of people, for coverage -----------------------------------------------------------------


class Votes(NamedTuple):
    """Columns of equal length; `points` are those of `a`."""

    voter: Integers
    a: Integers
    b: Integers
    points: Floats


@dataclass(frozen=True)
class Crowd:
    """Who votes: `voters` people who vote equally often (0: one vote a voter), or as 1, 1/2, 1/3 … if `uneven`.

    To everybody a model is stronger or weaker than to most, by a personal taste of standard deviation `taste`
    (logits); a share `ties` of all votes are ties, whoever met.
    """

    voters: int = 0
    taste: float = 0.0
    ties: float = 0.0
    uneven: bool = False

    def votes(self, rng: np.random.Generator, strength: Floats, count: int) -> Votes:
        """Votes between random pairs."""
        a = rng.integers(len(strength), size=count)
        b = (a + rng.integers(1, len(strength), size=count)) % len(strength)
        voter = self._voters(rng, count)
        lead = strength[a] - strength[b]
        if self.taste:
            tastes = rng.normal(0, self.taste, (voter.max() + 1, len(strength)))
            lead += tastes[voter, a] - tastes[voter, b]
        won = (rng.random(count) < expit(lead)).astype(np.float64)
        return Votes(voter, a, b, np.where(rng.random(count) < self.ties, 0.5, won))

    def _voters(self, rng: np.random.Generator, count: int) -> Integers:
        if not self.voters:
            return np.arange(count)
        if not self.uneven:
            return np.arange(count) % self.voters
        share = 1 / np.arange(1, self.voters + 1)
        return rng.choice(self.voters, count, p=share / share.sum())

    def truth(self, strength: Floats) -> Floats:
        """(K,) what ratings with ties as half wins tend to, in logits: the fit of all pairs' expected points.

        Neither constant ties nor a mean over tastes keeps the form of Bradley–Terry, so it is no plain shrinking.
        """
        lead = strength[:, None] - strength[None, :]
        spread = self.taste * np.sqrt(2)
        chance = (expit(lead[..., None] + spread * _NODES) * _WEIGHTS).sum(-1) / _WEIGHTS.sum()
        points = (1 - self.ties) * chance + self.ties / 2
        np.fill_diagonal(points, 0)
        return np.asarray(fitted(points[None])[0])


# -- boards that grow vote by vote, many at a time, for pairing --------------------------------------

# met, fewest and gaps as `arena.pairing.chances` has them → the pairs' probabilities; (boards, pairs) each.
Rule = Callable[[Floats, Floats, Floats], Floats]


def paddock(met: Floats, fewest: Floats, gaps: Floats) -> Floats:
    return chances(met, fewest, gaps, np.ones(met.shape[-1]))


def uniform(met: Floats, fewest: Floats, gaps: Floats) -> Floats:
    return np.full(met.shape, 1 / met.shape[-1])


def fitted(won: Floats, start: Floats | None = None) -> Floats:
    """(B, K) Bradley–Terry strengths of B boards at once, mean 0; `won` (B, K, K) holds points of row against column.

    The same damped Newton steps as `arena.ratings.bradley_terry`, which fits one board.
    """
    strength = np.zeros(won.shape[:2]) if start is None else start
    votes = won + won.swapaxes(1, 2)
    while True:
        chance = expit(strength[:, :, None] - strength[:, None, :])
        slope = (won - votes * chance).sum(2)
        step = np.linalg.solve(_information(votes, chance) + 1 / won.shape[1], slope[..., None])[..., 0]
        reach = np.ptp(step, axis=1, keepdims=True)
        if reach.max() < 1e-6:
            return np.asarray(strength + step)
        strength = strength + step * np.log1p(reach) / np.maximum(reach, 1e-12)


def widths(won: Floats, strength: Floats) -> Floats:
    """(B, K) widths of the ratings' 95 % intervals in points, by the inverse information."""
    chance = expit(strength[:, :, None] - strength[:, None, :])
    votes = won + won.swapaxes(1, 2)
    inverse = np.linalg.inv(_information(votes, chance) + 1 / won.shape[1])
    variance = np.diagonal(inverse, axis1=1, axis2=2) - 1 / won.shape[1]
    return np.asarray(2 * 1.959964 * POINTS_PER_LOGIT * np.sqrt(variance))


def _information(votes: Floats, chance: Floats) -> Floats:
    weight = votes * chance * chance.swapaxes(1, 2)
    return np.asarray(weight.sum(2)[:, :, None] * np.eye(votes.shape[1]) - weight)


@dataclass
class Boards:
    """`size` boards with the same `strength` (K,), each with its own votes, pair by pair drawn by a rule.

    Ratings that the rule is told are those of the last of every `stale` votes.
    """

    strength: Floats
    size: int
    rng: np.random.Generator
    stale: int = 50
    won: Floats = field(init=False)
    met: Floats = field(init=False)
    fought: Floats = field(init=False)
    known: Floats = field(init=False)

    def __post_init__(self) -> None:
        models = len(self.strength)
        pairs = np.array(list(combinations(range(models), 2))).T
        self.one, self.other = pairs[0], pairs[1]
        self.won = np.full((self.size, models, models), PRIOR / 2) * (1 - np.eye(models))
        self.met = np.zeros((self.size, len(self.one)))
        self.fought = np.zeros((self.size, models))
        self.known = np.zeros((self.size, models))

    def play(self, votes: int, rule: Rule) -> None:
        """Add so many votes to every board."""
        for number in range(votes):
            if number % self.stale == 0:
                self.known = fitted(self.won, self.known)
            fewest = np.minimum(self.fought[:, self.one], self.fought[:, self.other])
            gaps = (self.known[:, self.one] - self.known[:, self.other]) * POINTS_PER_LOGIT
            self._vote(rule(self.met, fewest, gaps))

    def _vote(self, shares: Floats) -> None:
        total = np.cumsum(shares, axis=1)
        pair = (self.rng.random((self.size, 1)) * total[:, -1:] > total).sum(1)
        board, one, other = np.arange(self.size), self.one[pair], self.other[pair]
        won = self.rng.random(self.size) < expit(self.strength[one] - self.strength[other])
        self.won[board, one, other] += won
        self.won[board, other, one] += ~won
        self.met[board, pair] += 1
        self.fought[board, one] += 1
        self.fought[board, other] += 1

    def widths(self) -> Floats:
        """(size, K) of the intervals as they are now."""
        return widths(self.won, fitted(self.won, self.known))
