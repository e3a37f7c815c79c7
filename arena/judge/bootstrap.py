"""How sure a figure of a report is: drawing its questions again, and Wilson's interval for shares.

A percentile bootstrap is too narrow for few questions. Its percentiles are moved outwards as a t interval is wider
than a normal one (T. Hesterberg, What teachers should know about the bootstrap, 2014, section 6.2). Measured 1,600
times with questions drawn from Vicuna's four published files, 95 % intervals of the ratio of totals then hold 94.1 %
of the time with 80 questions, 91.8 % with 20 and 89.6 % with 10 (plain percentiles: 93.7, 90.5, 84.4; BCa: 93.1, 87.8,
82.6). For shares a bootstrap is no use near 0 and 1: where one side nearly always wins, 20 questions often show
nothing else, and it held 56 and 64 % of the time. Wilson's interval with the variance between questions held 94 to
95 %, with 10, 20 and 80 questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtrit

from arena.ratings.tally import Floats

LEVEL = 0.95
_DRAWS = 4_000
_CELLS_AT_ONCE = 2_000_000
_SEED = 6
_Z = float(ndtri(0.5 + LEVEL / 2))

# Sums over questions (columns, draws) → the figure of each draw (draws,).
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Estimate:
    """A figure of `of` questions (or battles) with its 95 % interval."""

    value: float
    low: float
    high: float
    of: int


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Estimate | None:
    """Σ numerators / Σ denominators over questions (n,); None below two questions, or where there is nothing below."""
    return bootstrapped(np.array([numerators, denominators], np.float64), lambda sums: sums[0] / sums[1])


def bootstrapped(columns: Floats, statistic: Statistic) -> Estimate | None:
    """A figure of sums over questions, which `columns` (k, n) has; None where it can't be told.

    Questions that say the same are drawn together, by a multinomial: the same distribution, sooner.
    """
    n = columns.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(columns.sum(1, keepdims=True))[0]) if n > 1 else np.nan
        if not np.isfinite(value):
            return None
        kinds, counts = np.unique(columns, axis=1, return_counts=True)
        rng, at_once = np.random.default_rng(_SEED), max(1, _CELLS_AT_ONCE // len(counts))
        sizes = np.diff([*range(0, _DRAWS, at_once), _DRAWS])
        drawn = [statistic(kinds @ rng.multinomial(n, counts / n, size).T) for size in sizes]
    figures = np.concatenate(drawn)
    outwards = float(ndtr(-stdtrit(n - 1, 0.5 + LEVEL / 2) * np.sqrt(n / (n - 1))))
    low, high = np.quantile(figures[np.isfinite(figures)], [outwards, 1 - outwards])
    return Estimate(value, float(low), float(high), n)


def share(numerators: ArrayLike, denominators: ArrayLike) -> Estimate | None:
    """Σ numerators / Σ denominators, a share from 0 to 1, of questions (n,) with a denominator above 0; None: of none.

    Wilson's interval for as many independent cases as would have the variance seen between questions: several
    judgments of one question count as one where they always agree, and ties (half a point) say more than a coin.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    n, whole = len(top), float(bottom.sum())
    if not n:
        return None
    value = float(top.sum()) / whole
    spread = float(((top - value * bottom) ** 2).sum()) * n / max(n - 1, 1) / whole**2
    # No spread at all says nothing of how much there is: then each question is one case.
    cases = n if spread < 1e-12 else min(value * (1 - value) / spread, 4 * whole)
    middle = (value + _Z**2 / (2 * cases)) / (1 + _Z**2 / cases)
    reach = _Z / (1 + _Z**2 / cases) * np.sqrt(value * (1 - value) / cases + (_Z / (2 * cases)) ** 2)
    return Estimate(value, max(0.0, float(middle - reach)), min(1.0, float(middle + reach)), n)
