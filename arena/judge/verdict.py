"""What a judge said, by place shown and by contestant, and the rule that joins the two orders of a pair.

A judge sees an answer first or second; a judgment is kept by contestant. `a` is always the contestant with the
smaller fingerprint, so that A:B and B:A are the same judgment, and `first` says whose answer was shown first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, cast

Form = Literal["score", "pairwise", "single"]
First = Literal["a", "b"]
Outcome = Literal["a", "b", "tie"]
Place = Literal["first", "second", "tie"]

FORMS: tuple[Form, ...] = ("score", "pairwise", "single")
LOWEST, HIGHEST = 0.0, 10.0  # judges are asked for 1 to 10; published reviews hold a 0


@dataclass(frozen=True)
class Said:
    """A judge's verdict by place shown: two scores and their comparison, or an outcome alone, or one score alone."""

    first: float | None
    second: float | None
    outcome: Place | None


@dataclass(frozen=True)
class Verdict:
    """The same by contestant; of a single answer only `score_a` is set."""

    score_a: float | None
    score_b: float | None
    outcome: Outcome | None


def scored(first: float, second: float) -> Said:
    """Two scores with what they say about the pair."""
    return Said(first, second, "tie" if first == second else "first" if first > second else "second")


def by_contestant(said: Said, first: First) -> Verdict:
    """Turn places into contestants; `first` is the contestant whose answer was shown first."""
    if first == "a":
        outcomes: dict[Place, Outcome] = {"first": "a", "second": "b", "tie": "tie"}
        scores = said.first, said.second
    else:
        outcomes = {"first": "b", "second": "a", "tie": "tie"}
        scores = said.second, said.first
    return Verdict(*scores, outcomes[said.outcome] if said.outcome else None)


def joined(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """One verdict for a question and a pair, from that of each order asked (None: it failed).

    The outcome is as in `joined_outcome`; scores are averaged over the orders. If an order that was asked has failed
    there is no verdict (None). Raises `ValueError` where nothing was asked.
    """
    outcome = joined_outcome([verdict.outcome if verdict else None for verdict in verdicts])
    given = [verdict for verdict in verdicts if verdict is not None]
    if len(given) < len(verdicts):
        return None
    return Verdict(
        _mean([verdict.score_a for verdict in given]), _mean([verdict.score_b for verdict in given]), outcome
    )


def joined_outcome(outcomes: Collection[str | None]) -> Outcome | None:
    """Orders that agree give their outcome, orders that disagree a tie; None where one has none.

    A failure is never a tie. Raises `ValueError` where nothing was asked.
    """
    if not outcomes:
        raise ValueError("no order was asked")
    if None in outcomes:
        return None
    one, *others = set(outcomes)
    return "tie" if others else cast("Outcome", one)


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None
