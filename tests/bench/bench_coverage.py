"""How often 95 % intervals hold the truth, on boards of 8 models 240 points apart with votes cast by chance.

    python tests/bench/bench_coverage.py [--boards N] [--only WORDS]

Prints the tables of docs/ratings.md. The truth is what ratings of infinitely many such voters would be, with ties as
half wins. On 1,000 boards the standard error of a share is about 0.7 % for one model, 0.3 % for all together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from measured import machine  # first: it says where all others are
from simulate import POINTS_PER_LOGIT, Crowd, Floats, Integers, spaced

from arena.ratings.bradley_terry import START, fit
from arena.ratings.intervals import Quantiles, clusters, confidence
from arena.ratings.ranks import ranks
from arena.ratings.tally import count, group

MODELS = 8
SPREAD = 240.0
EQUAL = 1e-6  # there is an order, but no vote can tell it
TASTE = 0.6


@dataclass(frozen=True)
class Coverage:
    """Of the boards of one kind: the share of intervals that held the truth, by model (K,), and of whole tables.

    `ranked`: the share of boards of which every true rank lies in its interval of ranks. `width`: of the mean
    interval, in points. `ranks`: how many ranks the mean interval of ranks has.
    """

    held: Floats
    ranked: float
    width: float
    ranks: float

    @property
    def pooled(self) -> float:
        return float(self.held.mean())


def coverage(crowd: Crowd, votes: int, boards: int, seed: int = 1, points: float = SPREAD) -> Coverage:
    """Of so many boards with `votes` each."""
    rng = np.random.default_rng([seed, votes, crowd.voters, round(100 * crowd.ties), crowd.uneven])
    strength = spaced(MODELS, points)
    truth = START + POINTS_PER_LOGIT * crowd.truth(strength)
    order = 1 + np.argsort(np.argsort(-truth))
    held, ranked, width, places = np.zeros(MODELS), 0, 0.0, 0.0
    quantiles: Quantiles | None = None
    for _ in range(boards):
        lower, upper, best, worst, quantiles = _rated(*crowd.votes(rng, strength, votes), quantiles)
        held += (lower <= truth) & (truth <= upper)
        ranked += bool(np.all((best <= order) & (order <= worst)))
        width += float((upper - lower).mean())
        places += float((worst - best + 1).mean())
    return Coverage(held / boards, ranked / boards, width / boards, places / boards)


def _rated(
    voter: Integers, a: Integers, b: Integers, points: Floats, quantiles: Quantiles | None
) -> tuple[Floats, Floats, Integers, Integers, Quantiles]:
    """Intervals of ratings and of ranks, as a leaderboard of these votes has them.

    The quantiles are drawn for the first board of a kind: they follow from who met how often, and hardly differ.
    """
    fitted = fit(count(a, b, points, MODELS))
    sure = confidence(fitted, clusters(group(voter, a, b, points), fitted), quantiles)
    table = ranks(fitted, sure)
    return sure.lower, sure.upper, table.lower, table.upper, sure.quantiles


def kinds() -> Iterator[tuple[str, Crowd, int, float]]:
    """What is printed: a name, who votes, how often, and by how many points the best is above the worst."""
    for ties in (0.0, 0.25):
        for votes in (300, 1000, 5000):
            yield "one vote a voter", Crowd(ties=ties), votes, SPREAD
    for ties in (0.0, 0.25):
        for votes in (300, 1000, 5000):
            for voters in (1, 2, 5, 15, 30, 100):
                yield f"{voters} voter{'s' * (voters > 1)}", Crowd(voters, TASTE, ties), votes, SPREAD
    for votes in (1000, 5000):
        for voters in (30, 100, 1000):
            yield f"{voters:,} voters, unevenly", Crowd(voters, TASTE, 0.0, uneven=True), votes, SPREAD
    for voters in (0, 100):
        yield f"{voters or 'as many'} voters, models all but equal", Crowd(voters, TASTE * (voters > 0)), 1000, EQUAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=1000)
    parser.add_argument("--only", default="", help="kinds whose name has these words")
    chosen = parser.parse_args()
    print(f"{machine()}, {chosen.boards:,} boards of a kind\n")
    print("| who votes | ties | votes | intervals | each model | whole tables of ranks | width | ranks |")
    print("|---|---|---|---|---|---|---|---|")
    start = time.process_time()
    for name, crowd, votes, points in kinds():
        if chosen.only not in name:
            continue
        found = coverage(crowd, votes, chosen.boards, points=points)
        print(
            f"| {name} | {crowd.ties:.0%} | {votes:,} | {found.pooled:.1%} | {found.held.min():.1%} to"
            f" {found.held.max():.1%} | {found.ranked:.1%} | {found.width:.0f} | {found.ranks:.1f} |",
            flush=True,
        )
    print(f"\n{time.process_time() - start:.0f} s of CPU time")


if __name__ == "__main__":
    main()
