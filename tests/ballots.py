"""Votes as tests of ratings write them down, and as columns of codes."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from arena.ratings.bradley_terry import Fit, fit
from arena.ratings.intervals import Clusters, Confidence, clusters, confidence
from arena.ratings.tally import Counts, Floats, Groups, Integers, count, group

Ballot = tuple[int, int, float, int]
"""Side a, side b, the points of a, the voter."""

SIZE = 6
ballots = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2)),
    max_size=60,
)


@dataclass(frozen=True)
class Votes:
    """Columns of equal length: codes of sides and voters, and the points of a."""

    a: Integers
    b: Integers
    points: Floats
    voter: Integers

    def counts(self, size: int = SIZE) -> Counts:
        return count(self.a, self.b, self.points, size)

    @property
    def groups(self) -> Groups:
        return group(self.voter, self.a, self.b, self.points)

    def fit(self, size: int = SIZE, prior: float = 0.2) -> Fit:
        return fit(self.counts(size), prior)

    def clusters(self, size: int = SIZE, prior: float = 0.2) -> Clusters:
        return clusters(self.groups, self.fit(size, prior))

    def confidence(self, size: int = SIZE, prior: float = 0.2) -> Confidence:
        return confidence(self.fit(size, prior), self.clusters(size, prior))


def columns(votes: Iterable[Ballot]) -> Votes:
    table = np.array(list(votes), np.float64).reshape(-1, 4)
    a, b, voter = (table[:, place].astype(np.int64) for place in (0, 1, 3))
    return Votes(a, b, table[:, 2], voter)


def repeated(*votes: tuple[int, int, float, int]) -> Votes:
    """So many votes (the last number) of each kind, every one of a voter of its own."""
    rows = [(a, b, points) for a, b, points, times in votes for _ in range(times)]
    return columns((a, b, points, voter) for voter, (a, b, points) in enumerate(rows))


def decided(won: Iterable[Iterable[float]]) -> Counts:
    """(K, K) wins of rows against columns."""
    table = np.array(list(won), np.float64)
    return Counts(table + table.T, table, table)


def simulated(
    rng: np.random.Generator, size: int, votes: int, *, spread: float = 1.4, ties: float = 0.0, voters: int = 0
) -> Votes:
    """Uniform pairs of contestants whose strengths lie evenly within `spread` logits; 0 voters: each votes once."""
    truth = np.linspace(spread / 2, -spread / 2, size)
    a = rng.integers(size, size=votes)
    b = (a + rng.integers(1, size, size=votes)) % size
    points = (rng.random(votes) < 1 / (1 + np.exp(truth[b] - truth[a]))).astype(np.float64)
    points[rng.random(votes) < ties] = 0.5
    return Votes(a, b, points, rng.integers(voters, size=votes) if voters else np.arange(votes))


def margins(sure: Confidence) -> Floats:
    return np.asarray((sure.upper - sure.lower) / 2)


def real_votes(shared_data: Path) -> tuple[Votes, list[str]]:
    """8,931 votes of 124 people on 59 models (LLMFAO, CC BY 4.0), and the models' names by code."""
    with (shared_data / "votes-llmfao" / "llmfao.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[side] for row in rows for side in ("left", "right")})
    people = sorted({row["worker"] for row in rows})
    points = {"left": 1.0, "right": 0.0, "tie": 0.5}
    return columns(
        (names.index(row["left"]), names.index(row["right"]), points[row["winner"]], people.index(row["worker"]))
        for row in rows
    ), names
