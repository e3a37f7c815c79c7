"""How long Elo and Bradley–Terry take on 1,000,000 votes of 100 contestants, against evalica on the same votes.

    python tests/bench/bench_ratings.py [--votes N] [--contestants N] [--voters N] [--runs N]

Every measurement starts from columns of names and ends with ratings; CPU seconds, the best of the runs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import evalica
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arena.ratings import Rating, Tally, bradley_terry, elo

OUTCOME = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


@dataclass(frozen=True)
class Votes:
    a: list[str]
    b: list[str]
    points: list[float]
    voters: list[str]
    winners: list[evalica.Winner]


def synthetic(votes: int, contestants: int, voters: int, seed: int = 1) -> Votes:
    """Uniform pairs, true ratings with a standard deviation of 100 points, a fifth of ties."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 100, contestants)
    a = rng.integers(contestants, size=votes)
    b = (a + rng.integers(1, contestants, size=votes)) % contestants
    won = rng.random(votes) < 1 / (1 + 10 ** ((truth[b] - truth[a]) / 400))
    points = np.where(rng.random(votes) < 0.2, 0.5, won.astype(float)).tolist()
    names = [f"contestant-{n}" for n in range(contestants)]
    people = [f"voter-{n}" for n in range(voters)]
    return Votes(
        [names[n] for n in a],
        [names[n] for n in b],
        points,
        [people[n] for n in rng.integers(voters, size=votes)],
        [OUTCOME[score] for score in points],
    )


def best_of(runs: int, work: Callable[[], object]) -> float:
    """CPU seconds of the fastest run."""
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def counted(votes: Votes) -> Tally:
    tally = Tally()
    tally.add(votes.a, votes.b, votes.points, votes.voters)
    return tally


def measure(votes: Votes, runs: int) -> dict[str, float]:
    tally = counted(votes)
    elo_ours = best_of(runs, lambda: elo(votes.a, votes.b, votes.points))
    elo_theirs = best_of(runs, lambda: evalica.elo(votes.a, votes.b, votes.winners))
    fit_ours = best_of(runs, lambda: bradley_terry(counted(votes)))
    fit_theirs = best_of(runs, lambda: evalica.bradley_terry(votes.a, votes.b, votes.winners))
    return {
        "elo_s": elo_ours,
        "elo_evalica_s": elo_theirs,
        "elo_ratio": elo_ours / elo_theirs,
        "bradley_terry_with_intervals_s": fit_ours,
        "bradley_terry_evalica_s": fit_theirs,
        "bradley_terry_ratio": fit_ours / fit_theirs,
        "refit_from_counts_s": best_of(runs, lambda: bradley_terry(tally)),
    }


def agreement(votes: Votes) -> dict[str, float]:
    """The largest differences to evalica, in rating points."""
    theirs = evalica.elo(votes.a, votes.b, votes.winners).scores
    ours = elo(votes.a, votes.b, votes.points)
    scores = 400 * np.log10(evalica.bradley_terry(votes.a, votes.b, votes.winners, tolerance=1e-14).scores)
    centred = scores - scores.mean() + 1000
    fit = bradley_terry(counted(votes), prior=0)
    return {
        "elo_difference": max(abs(ours[name] - theirs[name]) for name in ours),
        "bradley_terry_difference": max(abs(_finite(fit[name]) - centred[name]) for name in fit),
    }


def _finite(rating: Rating) -> float:
    return float("nan") if rating.rating is None else rating.rating


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("votes", 1_000_000), ("contestants", 100), ("voters", 5_000), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    votes = synthetic(chosen.votes, chosen.contestants, chosen.voters)
    machine = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
    found = measure(votes, chosen.runs) | agreement(votes)
    print(json.dumps(machine | vars(chosen) | {name: float(f"{value:.4g}") for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
