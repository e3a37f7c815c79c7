"""Who meets, and on which side. Pure: everything random comes from the rng."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from models.pool import Wait

# What a pair's weight is divided by. A load is felt by one visitor, waiting for others' answers by all who come
# meanwhile; but where answers never cease, pairs out of memory meet in no other way. In the long run pairs meet as
# often as the root of it: half, an eighth.
COSTS: Mapping[Wait, float] = {Wait.NOT: 1, Wait.FOR_LOADING: 4, Wait.FOR_OTHERS: 64}


@dataclass(frozen=True)
class Draw:
    """A drawn pair by fingerprint; `probability` is that of this unordered pair at this draw."""

    a: str
    b: str
    probability: float


def draw_pair(
    pairs: Mapping[tuple[str, str], Wait],
    battles: Mapping[tuple[str, str], int],
    rng: Random,
    costs: Mapping[Wait, float] = COSTS,
) -> Draw:
    """Draw one of the `pairs` that can meet, those seldom compared first, and toss for the sides.

    A pair's weight is 1 / (1 + its battles so far, either side, void or not), divided by the cost of waiting for it:
    every pair keeps a chance, also where memory never holds all contestants. Raises `ValueError` without any pair.
    """
    if not pairs:
        raise ValueError("a battle takes two contestants")
    weights = [
        1 / (1 + battles.get((a, b), 0) + battles.get((b, a), 0)) / costs[wait] for (a, b), wait in pairs.items()
    ]
    chosen = rng.choices(range(len(pairs)), weights)[0]
    a, b = list(pairs)[chosen]
    if rng.random() < 0.5:
        a, b = b, a
    return Draw(a, b, weights[chosen] / sum(weights))
