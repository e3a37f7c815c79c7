"""How far a judge's verdicts follow the place of an answer instead of what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arena.judge.bootstrap import Estimate, share
from arena.judge.joined import Compared, numbered, place_of


@dataclass(frozen=True)
class PositionBias:
    """What a judge says of the same two answers in both orders; None where no pair has both.

    `consistency`: the share of pairs of orders with the same verdict, and `chance`, what a judge who does not look at
    the answers would reach, 2fs + t² with the shares f, s, t of its verdicts for the first place, for the second and
    for neither. `follows`: the share in which the verdict goes with the place: the first place both times (`to_first`
    of them), or the second both times (`to_second`). `first_place`: of all verdicts in both orders that are no tie,
    the share for the answer shown first; 0.5 without bias, None where all are ties.
    """

    consistency: Estimate
    chance: float
    follows: Estimate
    to_first: int
    to_second: int
    first_place: Estimate | None


def position_bias(comparisons: Sequence[Compared]) -> PositionBias | None:
    """Over the comparisons with a verdict in both orders."""
    both = [one for one in comparisons if len(one.orders) == 2 and one.verdict is not None]
    places = [[place_of(order) for order in one.orders] for one in both]
    question = numbered([one.cluster for one in both])
    cases = np.bincount(question)

    def shared(counts: Sequence[int], of: Sequence[int] | None = None) -> Estimate | None:
        return share(np.bincount(question, counts), cases if of is None else np.bincount(question, of))

    to_first, to_second = ([int(pair == [place, place]) for pair in places] for place in ("first", "second"))
    consistency = shared([int(one.orders[0].outcome == one.orders[1].outcome) for one in both])
    follows = shared([sum(pair) for pair in zip(to_first, to_second, strict=True)])
    if consistency is None or follows is None:
        return None
    first, second, tie = (
        sum(pair.count(place) for pair in places) / (2 * len(both)) for place in ("first", "second", "tie")
    )
    decided = [len(pair) - pair.count("tie") for pair in places]
    return PositionBias(
        consistency=consistency,
        chance=2 * first * second + tie**2,
        follows=follows,
        to_first=sum(to_first),
        to_second=sum(to_second),
        first_place=shared([pair.count("first") for pair in places], decided),
    )
