"""What it would take: how many further votes make two contestants change places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from arena.ratings.bradley_terry import Fit, chances, maximum, slope, with_prior
from arena.ratings.tally import Floats

_ROUNDING = 1e-6


def votes_to_swap(fitted: Fit, above: int, below: int) -> int | None:
    """The fewest votes for `below` against `above`, all won, that make its rating at least as high.

    Exact: of all fits with both held equal, take the likeliest. There every other derivative of the log-likelihood
    is 0, and that of `above` some s (that of `below` is -s). A vote won between equals takes 1/2 off, so that with
    2 s more of them the same strengths are the fit. None where the two can't be compared.
    """
    if fitted.component[above] != fitted.component[below] or np.isnan(fitted.strength[[above, below]]).any():
        return None
    if fitted.strength[below] >= fitted.strength[above]:
        return 0
    members = np.flatnonzero(fitted.component == fitted.component[above])
    within = np.ix_(members, members)
    votes, won = (matrix[within] for matrix in with_prior(fitted))
    one, other = np.searchsorted(members, (above, below))
    strength = _held_equal(votes, won, fitted.strength[members], int(one), int(other))
    return max(0, ceil(2 * float(slope(won, chances(strength))[one]) - _ROUNDING))


def votes_to_swap_neighbours(fitted: Fit, order: Sequence[int]) -> list[int | None]:
    """For each of a table but the first, best first: the votes that would bring it level with the one above."""
    return [votes_to_swap(fitted, above, below) for above, below in pairwise(order)]


def _held_equal(votes: Floats, won: Floats, start: Floats, one: int, other: int) -> Floats:
    """The likeliest strengths of which those of `one` and `other` are equal: they are fitted as if they were one."""
    place = np.arange(len(start))
    place[other] = one
    kept = place[place == np.arange(len(start))]
    middle = start.copy()
    middle[one] = start[[one, other]].mean()
    size = len(kept)
    merged = maximum(
        _merged(votes, one, other), _merged(won, one, other), np.full((size, size), 1 / size), middle[kept]
    )
    strength = np.empty(len(start))
    strength[kept] = merged
    strength[other] = strength[one]
    return strength


def _merged(matrix: Floats, one: int, other: int) -> Floats:
    """Both rows and columns added into one; what they had with each other drops out."""
    summed = matrix.copy()
    summed[one] += matrix[other]
    summed[:, one] += summed[:, other]
    summed[one, one] = 0
    return np.delete(np.delete(summed, other, 0), other, 1)
