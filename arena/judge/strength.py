"""The rating of contestants by a judge alone, beside what people's votes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arena.judge.joined import Compared, numbered
from arena.ratings.bradley_terry import fit
from arena.ratings.intervals import clusters, confidence
from arena.ratings.tally import count, group


@dataclass(frozen=True)
class PeopleRating:
    """What people's votes say: a Bradley–Terry rating in points with its interval; None where there is none yet."""

    rating: float
    lower: float | None
    upper: float | None
    votes: int


@dataclass(frozen=True)
class JudgeRating:
    """A contestant's Bradley–Terry rating by the judge alone, in points; `people` stands beside it, never in it.

    Either scale has its mean over the contestants it knows at 1000: differences compare, heights do not.
    """

    contestant: str
    name: str
    rating: float
    lower: float | None
    upper: float | None
    judged: int
    people: PeopleRating | None = None


def judge_ratings(comparisons: Sequence[Compared], people: Mapping[str, PeopleRating]) -> tuple[JudgeRating, ...]:
    """Ratings by the verdicts, best first, with intervals clustered by question.

    Contestants that no chain of comparisons links to the largest group have no rating in common with it and are left
    out.
    """
    told = [one for one in comparisons if one.verdict is not None]
    if not told:
        return ()
    names = {one.a: one.name_a for one in told} | {one.b: one.name_b for one in told}
    codes = {contestant: code for code, contestant in enumerate(names)}
    a, b = (np.array([codes[getattr(one, side)] for one in told]) for side in ("a", "b"))
    points = np.array([one.points for one in told])
    fitted = fit(count(a, b, points, len(codes)))
    # As voters' votes hang together, so do verdicts on one question.
    sure = confidence(fitted, clusters(group(numbered([one.cluster for one in told]), a, b, points), fitted))
    judged = fitted.counts.votes.sum(1)
    found = [
        JudgeRating(
            contestant=contestant,
            name=names[contestant],
            rating=float(fitted.rating[code]),
            lower=float(sure.lower[code]),
            upper=float(sure.upper[code]),
            judged=int(judged[code]),
            people=people.get(contestant),
        )
        for contestant, code in codes.items()
        if fitted.component[code] == 0
    ]
    return tuple(sorted(found, key=lambda one: (-one.rating, one.name)))
