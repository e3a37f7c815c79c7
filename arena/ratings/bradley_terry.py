"""Counts → Bradley–Terry strengths, and who can be compared with whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from arena.ratings.tally import Counts, Floats, Integers

START = 1000.0
SCALE = 400.0
BASE = 10.0
PRIOR_DRAWS = 0.2
POINTS_PER_LOGIT = SCALE / log(BASE)

_NEWTON_STEPS = 500
_NEWTON_REACH = 1e-9


@dataclass(frozen=True)
class Fit:
    """Strengths (K,) in logits, of mean 0 in each component; NaN where no finite one exists.

    `component` (K,) numbers the sets of contestants that can be compared; 0 has the most votes.
    """

    counts: Counts
    prior: float
    strength: Floats
    component: Integers

    @cached_property
    def rating(self) -> Floats:
        """(K,) points of the Elo scale; every component has the mean 1000."""
        return START + POINTS_PER_LOGIT * self.strength

    @cached_property
    def same(self) -> Floats:
        """(K, K) 1 where row and column share a component, else 0."""
        return np.equal.outer(self.component, self.component).astype(np.float64)

    @cached_property
    def compared(self) -> Integers:
        """(K,) how many contestants the component has."""
        return np.asarray(np.bincount(self.component)[self.component], np.int64)

    @cached_property
    def chance(self) -> Floats:
        """(K, K) chance that the row wins against the column (a tie is half a win); NaN across components."""
        return np.where(self.same > 0, chances(self.strength), np.nan)


def fit(counts: Counts, prior: float = PRIOR_DRAWS, start: Floats | None = None) -> Fit:
    """Maximum-likelihood Bradley–Terry strengths.

    Model: R. A. Bradley and M. E. Terry, Biometrika 39 (1952). A tie counts as half a win each, which shrinks the
    scale: with 25 % ties a true spread of 240 points reads as 173.

    `prior` is the number of draws added to every pair of a component (0 or more). It keeps undefeated and winless
    contestants finite. With prior 0 a component is a set whose members all beat or tied each other through some
    chain; whoever stands outside of any, though it has votes, has no finite strength. `start` are strengths of an
    earlier fit, from which a refresh gets there sooner; NaN and missing ones are allowed.
    Raises `ValueError` for a prior below 0, `ArithmeticError` where votes and prior are too extreme for a fit.
    """
    if not (isfinite(prior) and prior >= 0):
        raise ValueError("The prior must be 0 or more.")
    component = _components(counts, strong=prior == 0)
    fitted = Fit(counts, prior, _padded(start, len(component)), component)
    strength = maximum(*with_prior(fitted), fitted.same / fitted.compared, fitted.strength)
    nowhere = (fitted.compared == 1) & (counts.votes.sum(1) > 0)
    return Fit(counts, prior, np.where(nowhere, np.nan, strength), component)


def with_prior(fitted: Fit) -> tuple[Floats, Floats]:
    """Votes and points of the row that the fit is of: those within components, and the prior's draws."""
    draws = fitted.prior * (1 - np.eye(len(fitted.component)))
    return (fitted.counts.votes + draws) * fitted.same, (fitted.counts.won + draws / 2) * fitted.same


def maximum(votes: Floats, won: Floats, gauge: Floats, start: Floats) -> Floats:
    """Strengths of the highest likelihood, of mean 0 in each block of `gauge` (1/n within a component of n).

    Damped Newton steps. Along a direction whose differences stay within r, the curvature of this likelihood grows by
    at most exp(r t); the step ln(1 + r) / r minimises that bound, so it never overshoots (T. Sun and Q. Tran-Dinh,
    Generalized self-concordant functions, Mathematical Programming 178, 2019).
    """
    strength = start - gauge @ start
    for _ in range(_NEWTON_STEPS):
        chance = chances(strength)
        step = solved(information(votes, chance) + gauge, slope(won, chance))
        reach = float(np.ptp(step)) if len(step) else 0.0
        if reach < _NEWTON_REACH:
            strength = strength + step
            return np.asarray(strength - gauge @ strength)
        strength = strength + step * (np.log1p(reach) / reach)
    raise ArithmeticError("The Bradley–Terry fit did not converge; the prior is too small for these votes.")


def solved(matrix: Floats, vector: Floats) -> Floats:
    """The step of a fit. Raises `ArithmeticError` where the matrix, positive in truth, is none in floating point."""
    try:
        return np.asarray(cho_solve(cho_factor(matrix), vector))
    except np.linalg.LinAlgError as error:
        raise ArithmeticError("The fit can't be computed; the prior is too small for these votes.") from error


def chances(strength: Floats) -> Floats:
    """(K, K) chance that the row wins against the column."""
    return np.asarray(expit(strength[:, None] - strength[None, :]))


def slope(won: Floats, chance: Floats) -> Floats:
    """(K,) derivative of the log-likelihood by each strength."""
    # Written with both chances, not 1 - chance, which would lose the digits of the undefeated.
    return np.asarray((won * chance.T - won.T * chance).sum(1))


def information(votes: Floats, chance: Floats) -> Floats:
    """(K, K) negative second derivative of the log-likelihood."""
    return laplacian(votes * chance * chance.T)


def laplacian(weights: Floats) -> Floats:
    return np.diag(weights.sum(1)) - weights


def _components(counts: Counts, *, strong: bool) -> Integers:
    """The number of each contestant's component; those with strengths come first, then those with more votes."""
    edges = counts.won > 0 if strong else counts.votes > 0
    if not len(edges):
        return np.empty(0, np.int64)
    found = connected_components(edges, directed=strong, connection="strong")[1]
    _, first, label = np.unique(found, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(label, counts.votes.sum(1)), np.bincount(label) == 1))
    return np.asarray(np.argsort(order)[label], np.int64)


def _padded(start: Floats | None, size: int) -> Floats:
    known = np.zeros(0) if start is None else np.nan_to_num(start[:size])
    return np.pad(known, (0, size - len(known)))
