"""All votes from SQLite into the memory of the leaderboard: a cold start, and what a few new votes cost.

    python tests/bench/bench_ledger.py [--votes N] [--contestants N] [--voters N] [--keep FILE]

The baseline of the same run reads the same columns of the same rows by one SELECT into tuples, with sqlite3 alone.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from measured import machine, ratio

from arena.boards.ledger import Ledger
from db.imports import ImportedVote, import_votes
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database
from db.tables import Contestant
from db.votes import newest_vote

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("coding", "mathematics", "writing", "role_play", "knowledge", "reasoning", "translation", "other")
LANGUAGES = ("en", "zh", "de", "ru", "ja")
PLAIN = """
SELECT sequence, voter, contestant_a, contestant_b, outcome, turns, created_at, verified, category, language,
    length_a, length_b, headings_a, headings_b, lists_a, lists_b, bold_a, bold_b
FROM vote WHERE status = 'counted' ORDER BY sequence
"""
FEW = 37


def invented(rng: Random, known: list[str], voters: list[str]) -> ImportedVote:
    a, b = rng.sample(known, 2)
    return ImportedVote(
        battle_id=rng.randbytes(16).hex(),
        voter=rng.choice(voters),
        a=a,
        b=b,
        outcome=rng.choice(list(Outcome)),
        turns=rng.choice((1, 1, 1, 2, 4)),
        category=rng.choice(CATEGORIES),
        language=rng.choice(LANGUAGES),
        source="bench",
        created_at=FIRST + timedelta(seconds=rng.random() * 1e7),
        length_a=rng.randrange(4000),
        length_b=rng.randrange(4000),
        headings_a=1,
        headings_b=0,
        lists_a=4,
        lists_b=rng.randrange(20),
        bold_a=2,
        bold_b=3,
    )


class Filler:
    """Adds invented votes to a database."""

    def __init__(self, database: Database, contestants: int, voters: int) -> None:
        with database.read() as session:
            self._rng = Random(newest_vote(session))
        names = [Random(number).randbytes(32).hex() for number in range(contestants)]
        self._contestants = {name: contestant(name) for name in names}
        self._voters = [Random(number).randbytes(16).hex() for number in range(voters)]
        self._database = database

    def add(self, votes: int) -> tuple[float, float]:
        """How long it took, the inventing included."""
        names = list(self._contestants)
        made = (invented(self._rng, names, self._voters) for _ in range(votes))
        return timed(lambda: self._database.write(lambda session: import_votes(session, made, self._contestants)))


def contestant(name: str) -> Contestant:
    return Contestant(
        fingerprint=name, model_id=name[:8], name=name[:8], engine="imported", quantization="", license="", url="",
        identity={}, created_at=FIRST,
    )  # fmt: skip


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU time: what neighbours disturb less."""
    began, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - spent


def least(name: str, runs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Print the least of either, in milliseconds."""
    clock, spent = (min(column) for column in zip(*runs, strict=True))
    print(f"{name:<52} {clock * 1000:10.2f} ms   CPU {spent * 1000:10.2f} ms   best of {len(runs)}")
    return clock, spent


def plainly(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(PLAIN).fetchall()


def measure(path: Path, arguments: argparse.Namespace) -> None:
    with closing(open_database(f"sqlite:///{path}")) as database:
        filler = Filler(database, arguments.contestants, arguments.voters)
        with database.read() as session:
            missing = arguments.votes - newest_vote(session)
        if missing > 0:
            least(f"import of {missing:,} votes", [filler.add(missing)])
        cold, plain = [], []
        for _ in range(arguments.rounds):
            cold.append(timed(Ledger(database).follow))
            plain.append(timed(lambda: plainly(path)))
        ours = least(f"cold start of the ledger, {arguments.votes:,} votes", cold)
        theirs = least("the same rows by a plain SELECT into tuples", plain)
        ledger = Ledger(database)
        ledger.follow()
        new, nothing = [], []
        for _ in range(arguments.rounds):
            filler.add(FEW)
            new.append(timed(ledger.follow))
            nothing.append(timed(ledger.follow))
        least(f"a refresh after {FEW} new votes", new)
        least("a refresh where nothing is new", nothing)
        print(ratio("cold start / plain SELECT", ours[0], theirs[0]))
        print(ratio("cold start / plain SELECT, CPU time", ours[1], theirs[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--contestants", type=int, default=100)
    parser.add_argument("--voters", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a database to make once and to use again")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        measure(arguments.keep or Path(name) / "arena.db", arguments)


if __name__ == "__main__":
    main()
