"""What ratings cost at 1,000,000 votes of 100 contestants and 50,000 voters, against arena-rank and evalica.

    python tests/bench/bench_ratings.py [--votes N] [--contestants N] [--voters N] [--runs N] [--large] [--ours]

A refresh takes in 37 new votes: count them, fit from where the last fit ended, intervals with the voters' part and the
quantiles of before, ranks. arena-rank counts and fits all votes anew, as it must, from a table of names that is there.
It gets an environment of its own in ~/.cache/paddock/arena-rank, since it pins numpy and jax. `--large` adds
10,000,000 votes of 500,000 voters; `--ours` leaves the others out. Nothing here reads a database.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import evalica
import numpy as np
from measured import machine, milliseconds, ratio  # first: it says where all others are

from arena.ratings.bradley_terry import POINTS_PER_LOGIT, START, Fit, fit
from arena.ratings.elo import elo
from arena.ratings.intervals import Clusters, Quantiles, clusters, confidence
from arena.ratings.ranks import Ranks, ranks
from arena.ratings.swaps import votes_to_swap_neighbours
from arena.ratings.tally import Codes, Counts, Floats, Points, count, group

NEW = 37
ARENA_RANK = "arena-rank==0.1.1"
ENVIRONMENT = Path.home() / ".cache" / "paddock" / "arena-rank"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Votes:
    """Columns of equal length, as the ledger has them."""

    voter: Codes
    a: Codes
    b: Codes
    points: Points

    def __getitem__(self, part: slice) -> Votes:
        return Votes(self.voter[part], self.a[part], self.b[part], self.points[part])

    def counts(self, size: int) -> Counts:
        return count(self.a, self.b, self.points, size)


def invented(votes: int, contestants: int, voters: int, seed: int = 1) -> Votes:
    """Pairs as uneven as a flat Dirichlet distribution makes them, ratings 100 points around 1000.

    Of votes between equals a fifth are ties, else as many fewer as the variance of decisions: the model holds.
    """
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 100, contestants) / POINTS_PER_LOGIT
    sides = np.array([(i, j) for i in range(contestants) for j in range(contestants) if i != j])
    a, b = sides[rng.choice(len(sides), votes, p=rng.dirichlet(np.ones(len(sides))))].astype(np.int16).T
    mean = 1 / (1 + np.exp(truth[b] - truth[a]))
    ties, chance = 0.8 * mean * (1 - mean), rng.random(votes)
    points = np.where(chance < mean - ties / 2, 1, np.where(chance < mean + ties / 2, 0.5, 0)).astype(np.float32)
    return Votes(rng.integers(voters, size=votes).astype(np.int32), a, b, points)


def timed(name: str, runs: int, work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the seconds of the quickest run by the clock; all of them are printed."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    print(milliseconds(name, seconds), flush=True)
    return result, min(seconds)


def refreshed(counts: Counts, new: Votes, before: Fit, together: Clusters, quantiles: Quantiles) -> tuple[Fit, Ranks]:
    """What new votes change."""
    size = len(before.component)
    after = fit(counts + new.counts(size), before.prior, before.strength)
    return after, ranks(after, confidence(after, together, quantiles))


def ours(votes: Votes, contestants: int, runs: int) -> float:
    """Prints every part; the seconds of a refresh."""
    print(f"\n{len(votes.a):,} votes, {contestants} contestants, {len(np.unique(votes.voter)):,} voters")
    old, new = votes[: len(votes.a) - NEW], votes[len(votes.a) - NEW :]
    counts, _ = timed("count all votes", runs, lambda: old.counts(contestants))
    fitted, _ = timed("fit from scratch", runs, lambda: fit(counts))
    groups, _ = timed(
        "later: votes by voter and pair", min(runs, 3), lambda: group(old.voter, old.a, old.b, old.points)
    )
    together, _ = timed("later: voters' part of the intervals", min(runs, 3), lambda: clusters(groups, fitted))
    sure, _ = timed("later: quantiles of all differences", min(runs, 3), lambda: confidence(fitted, together))
    order = np.argsort(-fitted.rating).tolist()
    timed("later: votes to swap all neighbours", min(runs, 3), lambda: votes_to_swap_neighbours(fitted, order))
    _, refresh = timed(
        f"refresh after {NEW} votes", 4 * runs, lambda: refreshed(counts, new, fitted, together, sure.quantiles)
    )
    return refresh


def beside_arena_rank(votes: Votes, contestants: int, runs: int, refresh: float) -> None:
    """Prints ratios and how far ratings and intervals differ; or why there are none."""
    python, missing = environment()
    if missing:
        print(f"arena-rank: left out, because {missing}")
        return
    theirs = arena_rank(python, votes, contestants, runs)
    print(milliseconds("arena-rank: the first time", theirs["seconds"][:1]))
    print(milliseconds(f"arena-rank: refresh after {NEW} votes", theirs["seconds"][1:]))
    print(ratio("arena-rank / ours, a refresh", min(theirs["seconds"][1:]), refresh))
    fitted = fit(votes.counts(contestants), prior=0)
    sure = confidence(fitted)
    for name, found in (("", theirs["found"]), (" without its ridge", theirs["without_ridge"])):
        place = [int(who[1:]) for who in found["competitors"]]
        rating, lower, upper = (np.array(found[part]) for part in ("ratings", "rating_lower", "rating_upper"))
        widths = (sure.upper - sure.lower)[place] / (upper - lower)
        apart = np.abs(fitted.rating[place] - rating - np.mean(fitted.rating[place] - rating)).max()
        print(
            f"unclustered intervals, ours / arena-rank's{name}: {widths.min():.4f} to {widths.max():.4f}; "
            f"ratings apart by at most {apart:.4f} points"
        )


def environment() -> tuple[Path, str]:
    """A Python that has arena-rank, made where there is none; and why it has not."""
    python = ENVIRONMENT / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True, capture_output=True)
        install = ["-m", "pip", "install", "--quiet", ARENA_RANK]
        subprocess.run([str(python), *install], check=True, capture_output=True, timeout=1800)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        return python, f"it could not be installed: {(failed.stderr or b'').decode().strip()[-300:] or failed}"
    return python, ""


def arena_rank(python: Path, votes: Votes, contestants: int, runs: int) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file, result = Path(folder) / "votes.npz", Path(folder) / "result.json"
        np.savez(file, a=votes.a, b=votes.b, points=votes.points)
        program = Path(__file__).with_name("refresh_arena_rank.py")
        subprocess.run([python, program, file, str(contestants), str(NEW), str(runs), result], check=True)
        found: Mapping[str, Any] = json.loads(result.read_text())
        return found


def beside_evalica(votes: Votes, contestants: int, runs: int) -> None:
    """Prints ratios of Elo and of Bradley–Terry without intervals, and how far results differ."""
    a, b = votes.a.tolist(), votes.b.tolist()
    meaning = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    winners = [meaning[points] for points in votes.points.tolist()]
    start, names = np.full(contestants, START), list(range(contestants))
    points = votes.points.astype(np.float64)
    folded, own = timed("Elo", runs, lambda: elo(votes.a, votes.b, points, start))
    theirs, other = timed("evalica: Elo", runs, lambda: evalica.elo(a, b, winners))
    print(ratio("Elo: ours / evalica", own, other), f"  apart by {difference(folded, theirs.scores[names]):.2g} points")
    found, own = timed("count and fit, no prior", runs, lambda: fit(votes.counts(contestants), prior=0))
    _, other = timed("evalica: Bradley–Terry", runs, lambda: evalica.bradley_terry(a, b, winners))
    exact = evalica.bradley_terry(a, b, winners, tolerance=1e-14, limit=10_000)
    logits = POINTS_PER_LOGIT * np.log(exact.scores[names].to_numpy())
    apart = difference(found.rating - START, logits - logits.mean())
    print(ratio("Bradley–Terry: ours / evalica", own, other), f"  apart by {apart:.2g} points")


def difference(one: Floats, other: Any) -> float:
    return float(np.abs(one - np.asarray(other)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("votes", 1_000_000), ("contestants", 100), ("voters", 50_000), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--ours", action="store_true")
    chosen = parser.parse_args()
    print(machine())
    votes = invented(chosen.votes, chosen.contestants, chosen.voters)
    refresh = ours(votes, chosen.contestants, chosen.runs)
    if not chosen.ours:
        beside_arena_rank(votes, chosen.contestants, min(chosen.runs, 3), refresh)
        beside_evalica(votes, chosen.contestants, min(chosen.runs, 3))
    if chosen.large:
        more = invented(10 * chosen.votes, chosen.contestants, 10 * chosen.voters)
        large = ours(more, chosen.contestants, chosen.runs)
        print(ratio("refresh: ten times the votes / once", large, refresh))


if __name__ == "__main__":
    main()
