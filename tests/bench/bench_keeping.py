"""What keeping votes in a data set takes: journal, snapshot, restore, and an arena's start after its disk was wiped.

    python tests/bench/bench_keeping.py [--votes N] [--journal N]

The Hub is a small one on loopback, spoken to by the real client: what the network adds is not in here. The baseline
of a start is that of the same arena without a data set and with its disk.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measured import machine, ratio

PROMPT = "Explain why the sky is blue to a child of six. " * 4
ANSWER = "An answer of ordinary length, as small models give it. " * 25
SECRET = "signs cookies in benches"


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def vote(database: object, first: int, count: int) -> None:
    """Store so many voted battles with texts of ordinary length."""
    from arenas import ANT, BEE

    from db.outcome import Outcome
    from db.session import Database, Session
    from db.tables import Battle, Turn
    from db.votes import record_vote

    assert isinstance(database, Database)
    now = datetime.now(UTC)

    def some(session: Session, numbers: range) -> None:
        for number in numbers:
            name, voter = f"{number:032x}", f"{number % 500:032x}"
            session.add(
                Battle(
                    id=name, voter=voter, contestant_a=ANT.fingerprint, contestant_b=BEE.fingerprint, probability=1.0,
                    status="open", created_at=now, finished_at=now,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                Turn(
                    battle_id=name, position=0, attempt=0, prompt=f"{number} {PROMPT}", answer_a=ANSWER,
                    answer_b=ANSWER[::-1], seed=number, status="finished", started_at=now, finished_at=now,
                    category="other", language="en", length_a=1, length_b=1, headings_a=0, headings_b=0, lists_a=0,
                    lists_b=0, bold_a=0, bold_b=0,
                )
            )  # fmt: skip
            session.flush()
            record_vote(session, name, voter, list(Outcome)[number % 4], now, timedelta(hours=1))

    for start in range(first, first + count, 500):
        numbers = range(start, min(start + 500, first + count))
        database.write(lambda session, numbers=numbers: some(session, numbers))  # type: ignore[misc]


def measure(folder: Path, votes: int, journal: int) -> None:
    from arenas import ANT, BEE
    from hub_server import hub_server

    with hub_server() as hub:
        os.environ.update(hub.environment(folder / "home"))
        from arena.enrolment import enrol_all
        from arena.keeping.keeper import Keeper
        from arena.keeping.restore import restore_if_empty
        from arena.settings import Settings
        from db.schema import open_database

        # What the Hub's library read from the environment when it was imported is that of this program alone.
        given = Settings(
            data=folder / "data", dataset="us/votes", flush_minutes=60, secret=SECRET,  # type: ignore[arg-type]
        )  # fmt: skip
        restored = restore_if_empty(given)
        with closing(open_database(given.database)) as database:
            enrol_all(database, [ANT, BEE], datetime.now(UTC))
            vote(database, 0, votes)
            with Keeper(database, given, restored) as keeper:
                seconds = timed(keeper.keep)
                print(f"{'the first flush and snapshot':<52} {seconds:8.2f} s    of {votes} votes")
                vote(database, votes, journal)
                print(f"{'a flush':<52} {timed(lambda: keeper.flush(600)):8.2f} s    of {journal} votes")
                vote(database, votes + journal, 10)
                print(f"{'a flush':<52} {timed(lambda: keeper.flush(600)):8.2f} s    of 10 votes")
        files = hub.dataset("us/votes").files
        lines = sum(len(content) for path, content in files.items() if path.startswith("journal/"))
        copy = max(len(content) for path, content in files.items() if path.endswith(".db"))
        print(f"{'journal':<52} {lines / 1e6:8.2f} MB   snapshot {copy / 1e6:.2f} MB")
        shutil.rmtree(folder / "data")
        began = time.perf_counter()
        restored = restore_if_empty(given)
        seconds = time.perf_counter() - began
        print(f"{'fetched, checked and put in place':<52} {seconds:8.2f} s    of {votes} votes")
        with closing(open_database(given.database)) as database:
            seconds = timed(lambda: Keeper(database, given, restored))
        print(f"{'journals replayed':<52} {seconds:8.2f} s    of {journal + 10} votes")
        start(folder, given.data)


def start(folder: Path, data: Path) -> None:
    """Seconds until the whole arena answers: with its disk and no data set, and with a data set and no disk."""
    from support import canary, serving, write_catalog

    catalog = write_catalog(folder / "catalog.toml", *(canary(tree, replies=["Yes."]) for tree in ("oak", "elm")))

    def begun(**settings: Any) -> float:
        began = time.perf_counter()
        with serving(folder, catalog, SECRET=SECRET, **settings):
            return time.perf_counter() - began

    alone = min(begun() for _ in range(3))
    wiped = []
    for _ in range(3):
        shutil.rmtree(data)
        wiped.append(begun(DATASET="us/votes"))
    print(f"{'/healthz answers, with its disk':<52} {alone:8.2f} s")
    print(f"{'/healthz answers, disk wiped':<52} {min(wiped):8.2f} s")
    print(ratio("a start with a wiped disk / a start", min(wiped), alone))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--votes", type=int, default=10_000)
    parser.add_argument("--journal", type=int, default=1_000)
    arguments = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    print(machine())
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        measure(Path(name), arguments.votes, arguments.journal)


if __name__ == "__main__":
    main()
