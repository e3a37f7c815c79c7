"""Ranks, with intervals that are true of the whole table at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arena.ratings.bradley_terry import Fit
from arena.ratings.intervals import Confidence
from arena.ratings.tally import Integers


@dataclass(frozen=True)
class Ranks:
    """(K,) each; 1 is best, 0 who is not ranked: no votes, no finite rating, or outside of component 0.

    `lower` is the best rank and `upper` the worst that the contestant may truly have.
    """

    rank: Integers
    lower: Integers
    upper: Integers


def ranks(fitted: Fit, confidence: Confidence) -> Ranks:
    """Ranks by rating; equal ratings, as they are shown, share one.

    Whoever differs by more than the simultaneous margin surely stands above or below; the true ranks of all
    contestants lie within the intervals at once as often as the margins' level says (M. Mogstad et al., Review of
    Economic Studies 91, 2024).
    """
    listed = (fitted.component == 0) & np.isfinite(fitted.strength) & (fitted.counts.votes.sum(1) > 0)
    # Rounded as it is shown: equal numbers must not carry different ranks because of a float's last digit.
    rating = np.where(listed, fitted.rating, np.nan).round(2)
    lead = rating[:, None] - rating[None, :]
    surely = lead > confidence.reach
    above = np.count_nonzero(lead > 0, axis=0)
    lower, upper = 1 + np.count_nonzero(surely, axis=0), np.count_nonzero(listed) - np.count_nonzero(surely, axis=1)
    return Ranks(*(np.where(listed, place, 0).astype(np.int64) for place in (1 + above, lower, upper)))
