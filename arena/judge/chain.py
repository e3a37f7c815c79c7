"""Two contestants that were not compared, by way of one with which both were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arena.judge.bootstrap import Estimate, bootstrapped, ratio
from arena.judge.joined import Compared
from arena.ratings.tally import Floats

# By question: the scores of one contestant and of the other.
Scores = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Chained:
    """`contestant` reaches `ratio` of the total of `reference`: (contestant : via) times (via : reference).

    Fingerprints with their names. `via` is None for a pair that was judged itself.
    """

    contestant: str
    contestant_name: str
    reference: str
    reference_name: str
    via: str | None
    via_name: str | None
    ratio: Estimate


def chained(comparisons: Sequence[Compared], reference: str) -> tuple[Chained, ...]:
    """What every other contestant reaches of `reference`, best first; once for each common opponent.

    A pair that was judged itself needs no chain. Both links of a chain are drawn together by question, since they
    share the questions. Only comparisons with scores count; without any the answer is empty.
    """
    links, names = _links(comparisons)
    found = []
    for contestant in names.keys() - {reference}:
        ratios: list[tuple[str | None, Estimate | None]]
        if direct := links.get((contestant, reference)):
            ratios = [(None, ratio(*zip(*direct.values(), strict=True)))]
        else:
            shared = [via for via in names if (contestant, via) in links and (via, reference) in links]
            ratios = [(via, _through(links[contestant, via], links[via, reference])) for via in shared]
        found += [
            Chained(
                contestant, names[contestant], reference, names[reference], via, names[via] if via else None, reached
            )
            for via, reached in ratios
            if reached is not None
        ]
    return tuple(sorted(found, key=lambda one: (-one.ratio.value, one.contestant_name)))


def _links(comparisons: Sequence[Compared]) -> tuple[dict[tuple[str, str], Scores], dict[str, str]]:
    """By both directions of each pair its scores; and the names of who is in one."""
    links: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    names: dict[str, str] = {}
    for one in comparisons:
        if one.verdict is None or one.verdict.score_a is None or one.verdict.score_b is None:
            continue
        # A question in two languages is one.
        a, b = links.setdefault((one.a, one.b), {}).get(one.cluster, (0.0, 0.0))
        a, b = a + one.verdict.score_a, b + one.verdict.score_b
        links[one.a, one.b][one.cluster] = (a, b)
        links.setdefault((one.b, one.a), {})[one.cluster] = (b, a)
        names |= {one.a: one.name_a, one.b: one.name_b}
    return dict(links), names


def _through(first: Scores, second: Scores) -> Estimate | None:
    """(Σ contestant / Σ via) · (Σ via / Σ reference), over the questions of either link."""
    questions = sorted(first.keys() | second.keys())
    nothing = (0.0, 0.0)
    columns = np.array([(*first.get(one, nothing), *second.get(one, nothing)) for one in questions]).T

    def reached(sums: Floats) -> Floats:
        return np.asarray(sums[0] / sums[1] * sums[2] / sums[3])

    return bootstrapped(columns, reached)
