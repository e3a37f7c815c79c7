"""How far the order of the same votes alone moves Elo: 2,000 votes on 8 models 240 points apart, in 100 random orders.

    python tests/bench/bench_orders.py [--boards N]

Means over boards. Bradley–Terry sees counts, which have no order: one ranking, always.
"""

from __future__ import annotations

import argparse

import numpy as np
from measured import machine  # first: it says where all others are
from simulate import Crowd, spaced

from arena.ratings.bradley_terry import START
from arena.ratings.elo import elo

MODELS, SPREAD, VOTES, ORDERS = 8, 240.0, 2000, 100


def moved(k: float, seed: int) -> tuple[int, float]:
    """Of one board: how many rankings its orders make, and by how many points a rating moves, as the models' mean."""
    rng = np.random.default_rng(seed)
    _, a, b, points = Crowd().votes(rng, spaced(MODELS, SPREAD), VOTES)
    start = np.full(MODELS, START)
    shuffled = (rng.permutation(VOTES) for _ in range(ORDERS))
    ends = np.array([elo(a[order], b[order], points[order], start, k=k) for order in shuffled])
    return len(np.unique(np.argsort(-ends, axis=1), axis=0)), float(np.ptp(ends, axis=0).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=20)
    boards = parser.parse_args().boards
    print(f"{machine()}, {boards} boards\n\n| K | rankings | points |\n|---|---|---|")
    for k in (4, 16, 32):
        rankings, points = np.mean([moved(k, seed) for seed in range(boards)], axis=0)
        print(f"| {k} | {rankings:.0f} | {points:.0f} |", flush=True)


if __name__ == "__main__":
    main()
