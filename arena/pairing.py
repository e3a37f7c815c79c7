"""Who meets, and on which side. Pure: everything random comes from the rng."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

# A visitor would wait for the load; four battles of the same count in memory are worth one that is not.
LOAD_COST = 4.0


@dataclass(frozen=True)
class Draw:
    """A drawn pair by fingerprint; `probability` is that of this unordered pair at this draw."""

    a: str
    b: str
    probability: float


def draw_pair(
    pairs: Mapping[tuple[str, str], bool],
    battles: Mapping[tuple[str, str], int],
    rng: Random,
    load_cost: float = LOAD_COST,
) -> Draw:
    """Draw one of the `pairs` that can meet, those seldom compared first, and toss for the sides.

    A pair's weight is 1 / (1 + its battles so far, either side), so that every pair keeps a chance; it is divided
    by `load_cost` where the pair is not in memory (its value is False). Raises `ValueError` without any pair.
    """
    if not pairs:
        raise ValueError("a battle takes two contestants")
    weights = [
        1 / (1 + battles.get((a, b), 0) + battles.get((b, a), 0)) / (1 if there else load_cost)
        for (a, b), there in pairs.items()
    ]
    chosen = rng.choices(range(len(pairs)), weights)[0]
    a, b = list(pairs)[chosen]
    if rng.random() < 0.5:
        a, b = b, a
    return Draw(a, b, weights[chosen] / sum(weights))
