"""Who meets, and on which side. Pure: everything random comes from the rng."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random


@dataclass(frozen=True)
class Draw:
    """A drawn pair by fingerprint; `probability` is that of this unordered pair at this draw."""

    a: str
    b: str
    probability: float


def draw_pair(ready: Sequence[str], battles: Mapping[tuple[str, str], int], rng: Random) -> Draw:
    """Draw two of the `ready` contestants, pairs seldom compared first, and toss for the sides.

    A pair's weight is 1 / (1 + its battles so far, either side), so that every pair keeps a chance.
    Raises `ValueError` with fewer than two contestants.
    """
    pairs = list(combinations(ready, 2))
    if not pairs:
        raise ValueError("a battle takes two contestants")
    weights = [1 / (1 + battles.get((a, b), 0) + battles.get((b, a), 0)) for a, b in pairs]
    chosen = rng.choices(range(len(pairs)), weights)[0]
    a, b = pairs[chosen]
    if rng.random() < 0.5:
        a, b = b, a
    return Draw(a, b, weights[chosen] / sum(weights))
