"""What a review of votes costs: of all of them, and of the few that came since the last one.

    python tests/bench/bench_review.py [--votes N] [--voters N]

Prints seconds of the processor, and their ratio to reading the leaderboard's ratings anew, which every change of a
vote's status asks for. Votes are of people with tastes (tests/polled.py), a tenth of them from networks of several.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measured import machine, ratio  # first: it says where all others are
from polled import Poll, poll_in
from simulate import spaced

from arena.boards.leaderboard import Leaderboard
from arena.integrity.review import Review

SIZE, FRESH = 8, 20


def fill(poll: Poll, voters: int, votes: int) -> None:
    people = [
        poll.person(f"voter-{n}", network=f"n{n % (voters // 10)}" if n % 10 == 0 else f"own-{n}")
        for n in range(voters)
    ]
    for number in range(votes):
        poll.vote(people[number % voters])
    poll.store()


def seconds(work: object) -> float:
    began = time.process_time()  # of all threads; other programs would be in the time by the wall
    work()  # type: ignore[operator]
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=100_000)
    parser.add_argument("--voters", type=int, default=4_000)
    asked = parser.parse_args()
    print(machine(), f"SQLite {sqlite3.sqlite_version}; {asked.votes} votes of {asked.voters} voters", sep="; ")
    with TemporaryDirectory() as folder, poll_in(Path(folder), spaced(SIZE, 140), np.random.default_rng(1)) as poll:
        fill(poll, asked.voters, asked.votes)
        review = Review(poll.database, now=lambda: poll.now + timedelta(days=2))
        with closing(Leaderboard(poll.database, poll.specs)) as board:
            reading = seconds(board.ratings)
        first, again = seconds(review.everybody), seconds(review.everybody)
        fresh = {f"voter-{number}" for number in range(FRESH)}
        few = seconds(lambda: review.judge(fresh, {f"own-{number}" for number in range(FRESH)}))
        print(
            f"ratings read anew {reading:.2f} s; all judged {first:.2f} s, again {again:.2f} s; "
            f"{FRESH} voters {few:.3f} s"
        )
        print(ratio("all judged / ratings read anew", first, reading))
        print(ratio(f"{FRESH} voters judged / ratings read anew", few, reading))


if __name__ == "__main__":
    main()
