"""Who meets, and on which side. Pure: everything random comes from the rng."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from math import log, nan
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.pool import Wait

# What a pair's weight is divided by. A load is felt by one visitor, waiting for others' answers by all who come
# meanwhile; but where answers never cease, pairs out of memory meet in no other way. In the long run, of four models
# of which memory holds two, pairs that need a load meet half as often, those that others must end for a sixth.
COSTS: Mapping[Wait, float] = {Wait.NOT: 1, Wait.FOR_LOADING: 4, Wait.FOR_OTHERS: 64}

# The share of draws that look at nothing but the waiting: no count and no rating takes a pair below it.
FLOOR = 0.1
# How likely the most unequal pair is beside an equal one; second to the counts, which differ by far more.
UNEQUAL = 0.5

_LOGITS_PER_POINT = log(10) / 400

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """A drawn pair by fingerprint; `probability` is that of this unordered pair at this draw."""

    a: str
    b: str
    probability: float


def draw_pair(
    pairs: Mapping[tuple[str, str], Wait],
    battles: Mapping[tuple[str, str], int],
    ratings: Mapping[str, float],
    rng: Random,
    weights: Mapping[str, float] | None = None,
    costs: Mapping[Wait, float] = COSTS,
) -> Draw:
    """Draw one of the `pairs` that can meet by their `chances`, and toss for the sides.

    `battles` counts those so far, void or not, under (side a, side b); `ratings` are points of the Elo scale, and who
    is missing there counts as everybody's equal. Whom `weights` give 2 (missing: 1) is drawn about twice as often, now
    and in the long run: a pair's share is the product of its weights, by which its chance is multiplied and its battles
    are divided, or the even counts would make good what the weight does. Nobody is drawn at 0. Raises `ValueError`
    where no pair can be drawn.
    """
    weights = weights or {}
    pairs = drawable(pairs, weights)
    if not pairs:
        raise ValueError("a battle takes two contestants")
    place = {name: number for number, name in enumerate(dict.fromkeys(chain(*pairs, *battles)))}
    table = np.zeros((len(place), len(place)))
    table[_places(place, battles)] = list(battles.values())
    table += table.T
    one, other = _places(place, pairs)
    weight = np.array([weights.get(name, 1.0) or 1.0 for name in place])
    share, fought = weight[one] * weight[other], table.sum(1) / weight
    points = np.array([ratings.get(name, nan) for name in place])
    shares = chances(
        table[one, other] / share,
        np.minimum(fought[one], fought[other]),
        points[one] - points[other],
        np.array([costs[wait] for wait in pairs.values()]) / share,
    ).tolist()
    chosen = rng.choices(range(len(pairs)), shares)[0]
    a, b = list(pairs)[chosen]
    if rng.random() < 0.5:
        a, b = b, a
    return Draw(a, b, shares[chosen])


def drawable(pairs: Mapping[tuple[str, str], Wait], weights: Mapping[str, float]) -> dict[tuple[str, str], Wait]:
    """Those of the pairs of which neither weighs nothing."""
    return {pair: wait for pair, wait in pairs.items() if all(weights.get(name, 1) for name in pair)}


def _places(place: Mapping[str, int], pairs: Iterable[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Rows and columns of a table by pairs."""
    return [place[a] for a, _ in pairs], [place[b] for _, b in pairs]


def chances(met: Floats, fewest: Floats, gaps: Floats, costs: Floats) -> Floats:
    """The probability of every pair, along the last axis; all four are of that length, or are broadcast to it.

    A pair weighs 1 / (1 + its battles `met`) / (1 + the `fewest` battles over all that one of its two has), so that
    pairs seldom compared and newcomers come first; times 1 for equals to `UNEQUAL` for pairs of which one always wins,
    by the information 4 p (1 - p) of a vote with the chance p that `gaps` (points, NaN: not known) give; divided by
    the `costs` of waiting for it. A share `FLOOR` of all draws is by the costs alone. Places on the leaderboard don't
    matter: near the middle of the table there are more equals, but who is drawn more often falls behind by its count.
    """
    odds = np.exp(-np.abs(gaps) * _LOGITS_PER_POINT)
    equal = np.where(np.isnan(gaps), 1.0, 4 * odds / (1 + odds) ** 2)
    weight = (UNEQUAL + (1 - UNEQUAL) * equal) / ((1 + met) * (1 + fewest) * costs)
    least = 1 / costs
    return np.asarray(
        (1 - FLOOR) * weight / weight.sum(-1, keepdims=True) + FLOOR * least / least.sum(-1, keepdims=True), np.float64
    )
