"""How strongly a voter's votes speak for a bias towards or against a contestant, as e-values: pure.

An honest voter's decisive votes follow Bradley–Terry (Biometrika 39, 1952) of the others' counted votes, each
contestant moved by a personal taste N(0, τ²); how sure the others' strengths are widens it. A biased voter's taste for
one contestant is one of `Rules.biases` instead. The first factor of the evidence is the ratio of both likelihoods,
tastes integrated out. The second is that of whether battles with this contestant were voted on rather than left: a
habit p, uniform, moved by a leaning s that is N(0, σ²) for the honest and one of `Rules.leanings` for who waits for
a contestant (a Beta-binomial Bayes factor of one side, with room for honest leanings).

Each ratio has the expectation 1 for honest voters after every vote, so the chance that it ever reaches 1/α is at most
α (J. Ville, Étude critique de la notion de collectif, 1939; P. Grünwald, R. de Heide and W. Koolen, Safe Testing,
JRSS B 86, 2024), however often one looks. That holds of means of such ratios too: over the contestants, and of the
first factor with the product of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import expit, log_expit

from arena.integrity.rules import Rules
from arena.ratings.bradley_terry import chances, fit, information, with_prior
from arena.ratings.tally import Counts, Floats

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_OTHERS, _OTHER_WEIGHTS = np.polynomial.hermite_e.hermegauss(12)  # of an opponent there are fewer votes
_HABITS, _SHARES = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True)
class Strengths:
    """What the others' votes say: strengths (K,) in logits and their variances; NaN where they are not known."""

    strength: Floats
    variance: Floats

    @property
    def known(self) -> Floats:
        return np.isfinite(self.strength)


@dataclass(frozen=True)
class Record:
    """What one voter did: decisive votes (K, K) won by the row against the column; battles (K,) voted on, and left.

    `voted` and `left` of a contestant are the battles with it; `all_voted` and `all_left` those of all contestants.
    """

    won: Floats
    voted: Floats
    left: Floats
    all_voted: int
    all_left: int

    @property
    def decided(self) -> int:
        return int(self.won.sum())


@dataclass(frozen=True)
class Suspicion:
    """What speaks for a bias about one contestant: decisive votes won and lost, the wins expected of the honest.

    `outcomes` and `selection` are the two factors, as natural logarithms; `total` is that of their e-value.
    """

    contestant: int
    won: int
    lost: int
    expected: float
    voted: int
    left: int
    outcomes: float
    selection: float
    total: float


def strengths(won: Floats, rules: Rules, start: Floats | None = None) -> Strengths:
    """Of decisive votes (K, K) of others, won by the row; unknown without enough votes or a way to compare.

    `start` are strengths of much the same votes, from which a fit gets there sooner.
    """
    fitted = fit(Counts(won + won.T, won, won), start=start)
    votes, _ = with_prior(fitted)
    gauge = fitted.same / np.maximum(fitted.compared, 1)
    variance = np.diagonal(np.linalg.inv(information(votes, chances(fitted.strength)) + gauge) - gauge)
    known = (fitted.counts.votes.sum(1) >= rules.least_known) & (fitted.component == 0)
    return Strengths(np.where(known, fitted.strength, np.nan), np.where(known, variance, np.nan))


def bias(record: Record, known: Strengths, rules: Rules) -> tuple[float, list[Suspicion]]:
    """The logarithm of the voter's e-value, and what there is to it, the strongest first.

    The e-value is the mean over all contestants whose strength is known; those that the voter has not judged have 1.
    Without enough decisive votes it is 1, and the list empty: nothing can be said.
    """
    if record.decided < rules.least_decided or not known.known.any():
        return 0.0, []
    met = np.flatnonzero(((record.won + record.won.T)[:, known.known].sum(1) > 0) & known.known)
    found = [_suspicion(int(one), record, known, rules) for one in met]
    each = np.zeros(int(known.known.sum()))
    each[: len(found)] = [one.total for one in found]
    return float(_log_mean(each, np.ones(len(each)))), sorted(found, key=lambda one: -one.total)


def is_biased(log_evidence: float, rules: Rules) -> bool:
    return log_evidence >= -log(rules.alpha)


def _suspicion(one: int, record: Record, known: Strengths, rules: Rules) -> Suspicion:
    others = np.flatnonzero(((record.won[one] + record.won[:, one]) > 0) & known.known)
    won, lost = record.won[one, others], record.won[others, one]
    lead = known.strength[one] - known.strength[others]
    outcomes = _outcomes(won, lost, lead, known.variance[one], known.variance[others], rules)
    voted, left = int(record.voted[one]), int(record.left[one])
    selection = _selection(voted, left, record.all_voted - voted, record.all_left - left, rules)
    total = float(np.logaddexp(outcomes, outcomes + selection) - np.log(2))
    expected = float(((won + lost) * expit(lead)).sum())
    return Suspicion(one, int(won.sum()), int(lost.sum()), expected, voted, left, outcomes, selection, total)


def _outcomes(won: Floats, lost: Floats, lead: Floats, own: float, variance: Floats, rules: Rules) -> float:
    """Log of the likelihood of the biased over that of the honest; columns are of the opponents."""
    honest = np.sqrt(rules.taste**2 + own) * _NODES
    biased = np.array([side * size for size in rules.biases for side in (-1, 1)])
    likelihood = _likelihood(np.concatenate([honest, biased]), won, lost, lead, rules.taste**2 + variance)
    return _ratio(likelihood[len(honest) :], likelihood[: len(honest)])


def _likelihood(taste: Floats, won: Floats, lost: Floats, lead: Floats, variance: Floats) -> Floats:
    """(U,) log-likelihood for each taste for the contestant, the tastes for its opponents integrated out."""
    theirs = np.sqrt(variance)[:, None] * _OTHERS  # (O, W)
    ahead = taste[:, None, None] + lead[:, None] - theirs  # (U, O, W)
    # The logarithm of a defeat's chance is that of a win's less the lead.
    votes = (won + lost)[:, None] * log_expit(ahead) - lost[:, None] * ahead
    return np.asarray(_log_mean(votes, _OTHER_WEIGHTS).sum(1))


def _selection(voted: int, left: int, others_voted: int, others_left: int, rules: Rules) -> float:
    """Log of the chance that one who waits for the contestant votes and leaves like this, over that of the honest."""
    habit = np.log((1 + _HABITS) / (1 - _HABITS))  # Legendre's nodes stand for p from 0 to 1
    leaning = np.concatenate([rules.habit * _NODES, np.array(rules.leanings)])
    here = habit + leaning[:, None]
    votes = voted * log_expit(here) + left * log_expit(-here)
    votes += others_voted * log_expit(habit) + others_left * log_expit(-habit)
    likelihood = _log_mean(votes, _SHARES)
    return _ratio(likelihood[len(_NODES) :], likelihood[: len(_NODES)])


def _ratio(suspect: Floats, honest: Floats) -> float:
    """The logarithm of the ratio of mean likelihoods, each suspect one as likely as the others."""
    return float(_log_mean(suspect, np.ones(len(suspect))) - _log_mean(honest, _WEIGHTS))


def _log_mean(logarithms: Floats, shares: Floats) -> Floats:
    """The logarithm of the mean, weighted by `shares`, of what the last axis holds the logarithms of.

    SciPy's logsumexp does the same for arrays of every library, and takes three times as long for it.
    """
    most = logarithms.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(logarithms - most) @ (shares / shares.sum())) + most[..., 0])
