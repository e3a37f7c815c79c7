"""Votes a second and their waits on SQLite and on PostgreSQL, the same voters through the same code.

    python tests/bench/bench_postgres.py [--voters N] [--votes N] [--url postgresql+psycopg://…]

Each voter votes again as soon as the last vote is committed. Without --url a PostgreSQL of Debian's is started in a
temporary folder, as durable as SQLite here: both wait for the disk. The url must name an empty database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench_votes import prepare
from measured import machine, milliseconds, percentile, ratio

from db.copy import refuse_filled
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database
from db.votes import record_vote

WINDOW = timedelta(hours=2)
WARM_UP = 5


@dataclass(frozen=True)
class Measured:
    """Seconds from a vote to its commit, and from the first vote to the last commit."""

    waits: list[float]
    whole: float

    @property
    def rate(self) -> float:
        return len(self.waits) / self.whole


def measure(database: Database, voters: int, votes: int) -> Measured:
    """Votes of `voters` at once, `votes` in all, on battles that were prepared."""
    each = votes // voters
    prepare(database, [(f"b{v}-{number}", f"v{v}") for v in range(voters) for number in range(each + WARM_UP)])

    def cast(voter: int, numbers: range) -> list[float]:
        waits = []
        for number in numbers:
            began = time.perf_counter()
            outcome, now = list(Outcome)[number % 4], datetime.now(UTC)
            work = partial(
                record_vote, battle_id=f"b{voter}-{number}", voter=f"v{voter}", outcome=outcome, now=now, window=WINDOW
            )
            database.write(work)
            waits.append(time.perf_counter() - began)
        return waits

    with ThreadPoolExecutor(voters) as threads:
        list(threads.map(partial(cast, numbers=range(WARM_UP)), range(voters)))
        began = time.perf_counter()
        parts = list(threads.map(partial(cast, numbers=range(WARM_UP, each + WARM_UP)), range(voters)))
    return Measured([wait for part in parts for wait in part], time.perf_counter() - began)


@contextmanager
def server(url: str) -> Iterator[str]:
    from postgres import cluster, programs

    if url:
        refuse_filled(url)
        yield url
        return
    found = programs()
    if found is None:
        raise SystemExit("No PostgreSQL on this machine: install Debian's package postgresql, or give --url.")
    with cluster(found, fsync="on") as running, running.empty() as made:
        yield made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voters", type=int, default=16)
    parser.add_argument("--votes", type=int, default=1600)
    parser.add_argument("--url", default="")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        with closing(open_database(f"sqlite:///{Path(name)}/arena.db")) as database:
            alone = measure(database, arguments.voters, arguments.votes)
        with server(arguments.url) as url, closing(open_database(url)) as database:
            served = measure(database, arguments.voters, arguments.votes)
    for where, found in (("SQLite", alone), ("PostgreSQL", served)):
        print(milliseconds(f"a vote on {where}, {arguments.voters} voters at once", found.waits))
        print(f"{where}: {found.rate:.0f} votes a second, p99 {percentile(found.waits, 0.99) * 1000:.2f} ms")
    print(ratio("votes a second, PostgreSQL / SQLite", served.rate, alone.rate))
    print(ratio("p99 of a vote, PostgreSQL / SQLite", percentile(served.waits, 0.99), percentile(alone.waits, 0.99)))


if __name__ == "__main__":
    main()
