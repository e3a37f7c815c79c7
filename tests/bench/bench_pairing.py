"""Votes that Paddock's pairs need, as a share of what uniform draws need for the same intervals; and what a draw costs.

    python tests/bench/bench_pairing.py [--boards N]

Prints the table of docs/ratings.md. Every vote is of another voter, and none a tie. ± is the standard error of the
simulation.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations
from random import Random
from typing import NamedTuple

import numpy as np
from measured import machine  # first: it says where all others are
from simulate import POINTS_PER_LOGIT, Boards, Floats, Rule, fitted, paddock, spaced, uniform

from arena.pairing import draw_pair
from models.pool import Wait

BATCHES = 20


class Measured(NamedTuple):
    """A ratio of votes with its standard error, and the votes themselves."""

    ratio: float
    error: float
    ours: float
    theirs: float


def measured(ours: Floats, theirs: Floats) -> Measured:
    """From what batches of boards needed, each batch by itself."""
    means = ours.mean(), theirs.mean()
    errors = [needed.std(ddof=1) / np.sqrt(len(needed)) / needed.mean() for needed in (ours, theirs)]
    return Measured(means[0] / means[1], means[0] / means[1] * float(np.hypot(*errors)), *means)


def from_scratch(votes: int, points: float, boards: int, seed: int = 1, models: int = 8) -> Measured:
    """Votes until the mean interval is as wide as that of uniform draws after so many `votes`."""
    seeds = np.random.SeedSequence(seed).spawn(2)
    rngs = [np.random.default_rng(one) for one in seeds]
    theirs = Boards(spaced(models, points), boards, rngs[0])
    theirs.play(votes, uniform)
    aim = theirs.widths().mean()
    ours = Boards(spaced(models, points), boards, rngs[1])
    ours.play(votes, paddock)
    # Near the aim the width falls as the root of the votes, on boards of both kinds alike.
    return measured(*(votes * (_batches(one.widths().mean(1)) / aim) ** 2 for one in (ours, theirs)))


def newcomer(place: float, votes: int, boards: int, seed: int = 2, models: int = 8, points: float = 240) -> Measured:
    """Votes of everybody until a newcomer's interval is as wide as the median one was when it came.

    `place` is its true strength, 0 that of the weakest and 1 that of the best of a board of so many uniform `votes`.
    """
    needed = [_until_known(place, votes, boards, seed, models, points, rule) for rule in (paddock, uniform)]
    return measured(*(_batches(one) for one in needed))


def _until_known(place: float, votes: int, boards: int, seed: int, models: int, points: float, rule: Rule) -> Floats:
    rng = np.random.default_rng(seed)
    before = Boards(spaced(models, points), boards, rng)
    before.play(votes, uniform)
    aim = np.median(before.widths(), axis=1)
    joined = Boards(np.append(before.strength, (place - 0.5) * points / POINTS_PER_LOGIT), boards, rng)
    old = np.flatnonzero(joined.other < models)
    joined.won[:, :models, :models], joined.met[:, old], joined.fought[:, :models] = (
        before.won,
        before.met,
        before.fought,
    )
    needed = np.full(boards, np.inf)
    step, played = 20, 0
    while np.isinf(needed).any():
        joined.play(step, rule)
        played += step
        needed[np.isinf(needed) & (joined.widths()[:, -1] <= aim)] = played
    return needed


def _batches(values: Floats) -> Floats:
    return np.array([part.mean() for part in np.array_split(values, BATCHES)])


def evenness(points: float, votes: int, boards: int) -> tuple[float, float]:
    """The fewest and the most battles of a place on the table, as shares of the mean."""
    drawn = Boards(spaced(8, points), boards, np.random.default_rng(3))
    drawn.play(votes, paddock)
    fought = drawn.fought.mean(0)
    return float(fought.min() / fought.mean()), float(fought.max() / fought.mean())


def covered(votes: int, boards: int) -> float:
    """Share of the 95 % intervals that hold the truth where pairs depend on earlier votes."""
    drawn = Boards(spaced(8, 240), boards, np.random.default_rng(4))
    drawn.play(votes, paddock)
    errors = np.abs(fitted(drawn.won) - drawn.strength) * POINTS_PER_LOGIT
    return float((errors <= drawn.widths() / 2).mean())


def milliseconds_per_draw(contestants: int, draws: int = 100) -> float:
    """CPU time of the median draw."""
    rng = Random(1)
    names = [f"{number:064x}" for number in range(contestants)]
    pairs = dict.fromkeys(combinations(names, 2), Wait.NOT)
    battles = {pair: rng.randrange(200) for pair in pairs}
    ratings = {name: rng.gauss(1000, 100) for name in names}
    taken = []
    for _ in range(draws):
        start = time.process_time()
        draw_pair(pairs, battles, ratings, rng)
        taken.append(time.process_time() - start)
    return 1000 * float(np.median(taken))


def row(name: str, found: Measured) -> None:
    print(f"| {name} | {found.theirs:.0f} | {found.ours:.0f} | {found.ratio:.3f} ± {found.error:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=2000)
    boards = parser.parse_args().boards
    print(f"{machine()}, {boards:,} boards\n")
    print("| 8 models | uniform draws | Paddock's pairs | ratio |\n|---|---|---|---|")
    for place, where in (
        (0.5, "in the middle"), (1, "at the top"), (0, "at the bottom"), (1.5, "120 points above the top")
    ):  # fmt: skip
        row(f"a newcomer to 2,000 votes, 240 points; it belongs {where}", newcomer(place, 2000, boards // 4))
    for points, votes in ((240, 300), (240, 1000), (400, 1000), (1200, 1000)):
        row(f"from scratch, {points} points, {votes:,} votes", from_scratch(votes, points, boards))
    for points in (240, 1200):
        low, high = evenness(points, 1000, boards // 4)
        print(f"battles of a contestant / mean, {points} points: {low:.3f} to {high:.3f}")
    print(f"95 % intervals that hold the truth, pairs by Paddock's rule, 1,000 votes: {covered(1000, boards):.3f}")
    print(f"a draw among 100 contestants: {milliseconds_per_draw(100):.1f} ms of CPU time")


if __name__ == "__main__":
    main()
