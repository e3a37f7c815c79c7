"""Votes in their order → Elo, and how far that order alone moves it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np

from arena.ratings.bradley_terry import BASE, SCALE, START
from arena.ratings.intervals import LEVEL
from arena.ratings.tally import Codes, Floats

K_FACTOR = 4.0

_VOTES_AT_ONCE = 100_000


@dataclass(frozen=True)
class Spread:
    """Where Elo ends when the same votes come in random orders; no confidence interval.

    `lower` and `upper` (K,) are points between which the middle of `orders` ends lie, NaN for a contestant without
    votes; `rankings` counts the different orders of contestants among them. `folded` is how many votes each took in.

    It says how much of a rating is the order of the votes. It does not say how sure the votes are: with ever more of
    them it comes to rest at a width that K sets, and for few votes it is far too narrow, since every order has the
    same winners.
    """

    lower: Floats
    upper: Floats
    rankings: int
    orders: int
    folded: int


def elo(
    a: Codes,
    b: Codes,
    points: Floats,
    start: Floats,
    *,
    k: float = K_FACTOR,
    scale: float = SCALE,
    base: float = BASE,
) -> Floats:
    """(K,) ratings after folding in votes in the order given; `start` (K,) are those before, and stay as they are.

    `a` and `b` (n,) are codes below K; `points` (n,) those of a: 1, 0, or 0.5 for a tie. The order matters: the last
    votes weigh most. Formula: A. E. Elo, The Rating of Chessplayers (1978); the defaults are those of Chatbot Arena.
    Raises `ValueError` for columns of unequal length.
    """
    if not len(a) == len(b) == len(points):
        raise ValueError("The columns of votes differ in length.")
    ratings: list[float] = start.tolist()
    rate = log(base) / scale
    # In parts: what makes lists of arrays, whose numbers are dear one by one, lets no other thread in meanwhile.
    for first in range(0, len(a), _VOTES_AT_ONCE):
        part = slice(first, first + _VOTES_AT_ONCE)
        for one, other, score in zip(a[part].tolist(), b[part].tolist(), points[part].tolist(), strict=True):
            before, against = ratings[one], ratings[other]
            gain = k * (score - 1.0 / (1.0 + exp((against - before) * rate)))
            ratings[one] = before + gain
            ratings[other] -= gain
    return np.array(ratings, np.float64)


def spread(
    a: Codes,
    b: Codes,
    points: Floats,
    size: int,
    *,
    orders: int = 20,
    most: int = 50_000,
    level: float = LEVEL,
    seed: int = 0,
) -> Spread:
    """Fold the votes on `size` contestants in random `orders`; see `Spread`. Some 0.3 µs a vote and order.

    Of more than `most` votes each order folds its last `most` alone, begun where all votes in the order given end.
    That loses little, since Elo forgets: what a rating was n games ago weighs exp(-k ln(10)/400 p(1 - p) n) of what it
    was, p being the chance to win; for p = ½ a half after 120 games, a hundredth after 800. So `most` should be a
    thousand games a contestant; with fewer, ends lie nearer to each other than those of whole orders.
    Raises `ValueError` as `elo` does, and for a level outside 0 … 1 or less than two orders.
    """
    if not (0 < level < 1 and orders > 1):
        raise ValueError("The level must lie between 0 and 1, and there must be two orders or more.")
    rng = np.random.default_rng(seed)
    folded = min(most, len(a))
    start = np.full(size, START)
    if folded < len(a):
        start = elo(a, b, points, start)
    ends = np.empty((orders, size))
    for order in ends:
        last = rng.choice(len(a), folded, replace=False)
        order[:] = elo(a[last], b[last], points[last], start)
    voted = np.bincount(np.concatenate([a, b]), minlength=size) > 0
    lower, upper = np.where(voted, np.quantile(ends, ((1 - level) / 2, (1 + level) / 2), axis=0), np.nan)
    rankings = len(np.unique(np.argsort(-ends[:, voted], axis=1, kind="stable"), axis=0))
    return Spread(lower, upper, rankings, orders, folded)
