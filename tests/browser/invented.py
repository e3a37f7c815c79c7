"""Votes that nobody cast, for an arena with a leaderboard to look at."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support import Server, canary, environment, serving, write_catalog

VOTES = 600
VOTERS = 40
ABOUT = ("coding", "writing", "knowledge", "writing", "knowledge")


def write_votes(path: Path, names: Sequence[str], votes: int = VOTES) -> Path:
    """Who comes earlier in `names` is better, by as much as both are apart; in coding it is the other way round."""
    rng = random.Random(7)
    start = datetime.now(UTC) - timedelta(days=60)
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["left", "right", "winner", "who", "when", "about", "tongue"])
        for number in range(votes):
            a, b = rng.sample(range(len(names)), 2)
            about = ABOUT[number % len(ABOUT)]
            lead = (b - a) * (-1 if about == "coding" else 1) * 6 / len(names)
            winner = rng.choices(["left", "right", "tie"], [10 ** (lead / 5), 10 ** (-lead / 5), 0.3])[0]
            when = (start + timedelta(days=59 * number / votes)).isoformat()
            sheet.writerow([names[a], names[b], winner, f"w{rng.randrange(VOTERS)}", when, about, "en"])
    return path


@contextmanager
def voted_arena(
    folder: Path,
    names: Sequence[str],
    votes: int = VOTES,
    newcomers: Sequence[Mapping[str, object]] = (canary("alder"), canary("birch")),
) -> Iterator[Server]:
    """An arena of two scripted newcomers that has imported such votes."""
    catalog = write_catalog(folder / "catalog.toml", *newcomers)
    command = [
        *(sys.executable, "-m", "arena", "import", str(write_votes(folder / "votes.csv", names, votes))),
        *("--model-a", "left", "--model-b", "right", "--winner", "winner", "--voter", "who"),
        *("--timestamp", "when", "--category", "about", "--language", "tongue"),
    ]
    subprocess.run(command, env=environment(folder, catalog), cwd=folder, timeout=120, check=True)
    with serving(folder, catalog, PACE_CHARS=0) as server:
        yield server
