from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from postgres import Cluster
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.schema import open_database
from db.session import Database, DatabaseProblem, sqlite_path
from db.tables import Counter

ROOT = Path(__file__).parents[1]
PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
# A writer that says which rows were acknowledged, until it is killed.
WRITER = """
import itertools, sys, threading
from db.session import Database
from db.tables import Counter

database = Database(sys.argv[1])

def write(client):
    for number in itertools.count():
        name = f"{client}-{number}"
        database.write(lambda session: session.add(Counter(name=name, value=number)))
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()

for client in range(8):
    threading.Thread(target=write, args=(client,), daemon=True).start()
threading.Event().wait()
"""


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/arena.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as database:
        yield database


@pytest.fixture
def in_file(file_url: str) -> Iterator[Database]:
    """A database on SQLite."""
    with closing(open_database(file_url)) as database:
        yield database


@pytest.fixture
def on_server(postgres: Cluster) -> Iterator[Database]:
    """A database on PostgreSQL."""
    with postgres.fresh() as url, closing(open_database(url)) as database:
        yield database


def add(name: str, value: int = 1) -> Callable[[Session], None]:
    return lambda session: session.add(Counter(name=name, value=value))


def names(database: Database) -> set[str]:
    with database.read() as session:
        return {row.name for row in session.query(Counter)}


def pragma(session: Session, name: str) -> object:
    return session.execute(text(f"PRAGMA {name}")).scalar_one()


def in_one_group(database: Database, *works: Callable[[Session], object]) -> list[Future[object]]:
    """Submit so that all works share a commit: the writer is held until the last one is queued."""
    gate, begun = threading.Event(), threading.Event()

    def hold(_: Session) -> None:
        begun.set()
        gate.wait()

    database.submit(hold)
    begun.wait()
    futures = [database.submit(work) for work in works]
    gate.set()
    return futures


def child(program: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


# -- the connections -------------------------------------------------------------------------------


def test_readers_see_a_wal_with_foreign_keys_and_may_not_write(in_file: Database) -> None:
    with in_file.read() as session:
        session.query(Counter).count()  # a connection from before the first write learns of the WAL by reading
        assert {name: pragma(session, name) for name in PRAGMAS} == PRAGMAS
        assert pragma(session, "query_only") == 1
        with pytest.raises(OperationalError, match="readonly"):
            session.execute(text("DELETE FROM counter"))


def test_the_writer_waits_for_the_disk_and_minds_foreign_keys(in_file: Database) -> None:
    assert in_file.write(lambda session: {name: pragma(session, name) for name in PRAGMAS}) == PRAGMAS
    assert in_file.write(lambda session: pragma(session, "query_only")) == 0


def test_a_write_takes_the_lock_before_it_reads(in_file: Database, file_url: str) -> None:
    def meddle(session: Session) -> None:
        session.query(Counter).count()
        with (
            closing(sqlite3.connect(sqlite_path(file_url), timeout=0, isolation_level=None)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")

    in_file.write(meddle)


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    with database.read() as session:
        assert session.query(Counter).count() == 0
        database.write(add("meanwhile"))
        assert session.query(Counter).count() == 0
    assert names(database) == {"meanwhile"}


# -- writing in groups -----------------------------------------------------------------------------


def test_two_hundred_writes_of_sixteen_threads_are_all_stored(database: Database) -> None:
    wanted = {f"n{number}" for number in range(200)}
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: database.write(add(name)), wanted))
    assert names(database) == wanted


def test_works_that_wait_together_share_one_transaction(database: Database) -> None:
    transactions = in_one_group(database, *[lambda session: id(session) for _ in range(20)])
    assert len({future.result() for future in transactions}) == 1


def test_a_work_that_raises_undoes_only_itself(database: Database) -> None:
    def spoil(session: Session) -> None:
        session.add(Counter(name="spoilt", value=1))
        session.flush()
        raise LookupError("no")

    futures = in_one_group(database, add("before"), spoil, add("after"))
    with pytest.raises(LookupError, match="no"):
        futures[1].result()
    assert [futures[0].exception(), futures[2].exception()] == [None, None]
    assert names(database) == {"before", "after"}


def test_a_row_refused_at_the_flush_undoes_only_itself_and_the_writer_lives_on(database: Database) -> None:
    futures = in_one_group(database, add("twice"), add("twice", 2), add("other"))
    problem = futures[1].exception()
    assert isinstance(problem, DatabaseProblem)
    assert str(database.name) in str(problem)
    assert "unique" in str(problem).lower()
    database.write(add("later"))
    assert names(database) == {"twice", "other", "later"}


def test_results_of_a_group_can_be_used_after_a_neighbour_failed(database: Database) -> None:
    def kept(session: Session) -> Counter:
        row = Counter(name="kept", value=5)
        session.add(row)
        return row

    def spoil(_: Session) -> None:
        raise LookupError

    futures = in_one_group(database, kept, spoil)
    row = futures[0].result()
    assert isinstance(row, Counter)
    assert (row.name, row.value) == ("kept", 5)


def test_work_cancelled_before_its_turn_is_left_undone_and_the_writer_lives_on(database: Database) -> None:
    gate, begun = threading.Event(), threading.Event()

    def hold(_: Session) -> str:
        begun.set()
        gate.wait()
        return "held"

    held = database.submit(hold)
    begun.wait()
    dropped, kept = database.submit(add("dropped")), database.submit(add("kept"))
    assert dropped.cancel()
    assert not held.cancel(), "work that has begun can't be called back"
    gate.set()
    assert held.result() == "held"
    kept.result()
    with pytest.raises(CancelledError):
        dropped.result()
    assert names(database) == {"kept"}


def test_nothing_is_taken_after_closing(database: Database) -> None:
    waiting = database.submit(add("waiting"))
    database.close()
    database.close()
    waiting.result()
    with pytest.raises(DatabaseProblem, match="is closed"):
        database.write(add("late"))


# -- trouble with the disk -------------------------------------------------------------------------


def fill(database: Database, pages: int) -> None:
    """Let the file grow by `pages` pages and no more."""

    def limit(session: Session) -> None:
        session.execute(text(f"PRAGMA max_page_count={int(str(pragma(session, 'page_count'))) + pages}"))

    database.write(limit)


def lift(database: Database) -> None:
    database.write(lambda session: session.execute(text("PRAGMA max_page_count=1000000")) and None)


@pytest.mark.integrity
def test_a_full_disk_tells_everyone_in_the_group_and_writing_goes_on_afterwards(in_file: Database) -> None:
    in_file.write(add("earlier"))
    fill(in_file, 3)
    futures = in_one_group(in_file, add("before"), add("B" * 40_000), add("after"))
    for future in futures:
        problem = future.exception()
        assert isinstance(problem, DatabaseProblem)
        assert "full" in str(problem)
        assert str(in_file.name) in str(problem)
    assert names(in_file) == {"earlier"}
    lift(in_file)
    in_file.write(add("B" * 40_000))
    assert names(in_file) == {"earlier", "B" * 40_000}


def test_a_commit_that_fails_acknowledges_nothing(in_file: Database) -> None:
    def defer(session: Session) -> None:
        # A reference that is checked at the commit and not before.
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        session.execute(
            text(
                "INSERT INTO battle (id, voter, contestant_a, contestant_b, status, created_at)"
                " VALUES ('b', 'ann', 'nowhere', 'nowhere', 'open', '2026-01-01')"
            ),
        )

    futures = in_one_group(in_file, add("before"), defer, add("after"))
    assert all(isinstance(future.exception(), DatabaseProblem) for future in futures)
    assert names(in_file) == set()
    in_file.write(add("later"))
    assert names(in_file) == {"later"}


@pytest.mark.integrity
@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_it_acknowledged(url: str) -> None:
    open_database(url).close()
    for _ in range(3):
        acknowledged = []
        with child(WRITER, url) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.append(line)
                if len(acknowledged) == 60:
                    os.kill(process.pid, signal.SIGKILL)
        whole = {line.strip() for line in acknowledged if line.endswith("\n")}
        assert len(whole) >= 60
        with closing(open_database(url)) as database:
            assert whole <= names(database)
            database.write(lambda session: session.execute(text("DELETE FROM counter")) and None)
