"""The database: one writer that commits in groups, many readers; on SQLite in WAL mode or on PostgreSQL.

One writing connection a process: its writers never meet a lock, and one fsync serves many votes. Of SQLite only one
process may write at a time; on PostgreSQL several do, in line behind one lock.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session as Session  # part of what this module offers

from db import postgres
from db.sqlite import empty_log, file_lock, sqlite_engine
from db.url import DatabaseProblem as DatabaseProblem  # likewise
from db.url import Unstorable as Unstorable
from db.url import check_url as check_url
from db.url import is_sqlite, name_of
from db.url import sqlite_path as sqlite_path

GROUP_SIZE = 64
END_SECONDS = 35.0  # for what was submitted, at the end; longer than a writer may stand in line

T = TypeVar("T")
Work = Callable[[Session], Any]


class Database:
    """An open database. `read` gives a session that can't write; `write` runs on the writer thread.

    A server that falls silent fails what waits for it (`postgres.Patience`), and new connections are tried.

    `name` is for messages and holds no password. `shared`: other processes may write to it at the same time.
    Without `references` SQLite enforces no foreign keys: for migrations, which must be able to remake a table that
    others point to. Of a server they mean patience: one statement may work on millions of rows.
    """

    def __init__(self, url: str, *, references: bool = True) -> None:
        self.url, self.name = url, name_of(url)
        self.shared = not is_sqlite(url)
        self._patience = postgres.Patience(postgres.SILENT_SECONDS if references else postgres.MIGRATING_SECONDS)
        self._reader = _engine(url, self._patience, writable=False)
        self._writer = _engine(url, self._patience, writable=True, references=references)
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="db-look")
        self._jobs: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._empties_log = threading.Event()
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._write_groups, name="db-writer", daemon=True)
        self._thread.start()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that can't write and sees one moment. Raises `DatabaseProblem` where it can't read."""
        try:
            with Session(self._reader) as session:
                yield session
        except PoolTimeout as error:
            raise DatabaseProblem(f"The database {self.name} can't be read: too many read it at once.") from error
        except DBAPIError as error:
            raise DatabaseProblem(f"The database {self.name} can't be read: {postgres.why(error)}.") from error

    def look(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue `work` for one more thread that only reads: for whoever can't wait as long as the server may be silent.

        What comes raises what `work` does, or `DatabaseProblem`; that it takes too long keeps no other thread.
        """

        def read() -> T:
            with self.read() as session:
                return work(session)

        with self._door:
            if self._closed:
                raise DatabaseProblem(f"The database {self.name} is closed.")
            return self._looks.submit(read)

    def submit(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue `work` for the writer; the future resolves after its commit reached the disk.

        What `work` raises is raised by the future and undoes only this work, not its group. Cancelling
        the future before its turn leaves the work undone; later it has no effect.
        """
        future: Future[T] = Future()
        with self._door:  # nothing may be queued behind the writer's end: it would wait for ever
            if self._closed:
                raise DatabaseProblem(f"The database {self.name} is closed.")
            self._jobs.put((work, future))
        return future

    def write(self, work: Callable[[Session], T]) -> T:
        return self.submit(work).result()

    def empty_log(self) -> None:
        """Let nothing that was deleted stay in SQLite's log beside the file: as soon as nobody reads from it.

        What a server keeps is the server's. Raises `DatabaseProblem` where the database is closed.
        """
        if not self.shared:
            self._empties_log.set()
            self.submit(lambda _: None)

    def settle(self) -> None:
        """Return when all that was submitted so far is written: whoever calls this is about to close.

        Raises `DatabaseProblem` where it can't be, or is not within `END_SECONDS`. A server that has not
        answered by then, or was silent, is waited for no more: what still waits for it fails within moments.
        """
        last = self.submit(lambda _: None)
        try:
            last.result(END_SECONDS)
        except TimeoutError:
            self._patience.end()
            wait([last], postgres.CONNECT_SECONDS)  # so that everybody who waits for a write hears of it
            raise self._late() from None
        except DatabaseProblem:
            if self._patience.silent:
                self._patience.end()
            raise

    def close(self) -> None:
        """Finish what was submitted, then close every connection; the writer's last of all.

        Raises `DatabaseProblem` where a server has not taken it within `END_SECONDS`; what was not written is lost.
        """
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join(END_SECONDS if self.shared else None)  # a file is never silent
        late = self._thread.is_alive()
        self._patience.end()  # nor may a reader hold the end of the process
        self._thread.join(2 * postgres.CONNECT_SECONDS if self.shared else None)
        self._looks.shutdown(wait=False, cancel_futures=True)
        self._reader.dispose()
        self._writer.dispose()
        if late:
            raise self._late()

    def _late(self) -> DatabaseProblem:
        return DatabaseProblem(
            f"The database {self.name} did not take within {END_SECONDS:g} s what was to be written last; "
            "it may not be stored."
        )

    def _write_groups(self) -> None:
        ending = False
        while not ending:
            group = [self._jobs.get()]
            while len(group) < GROUP_SIZE and not self._jobs.empty():
                group.append(self._jobs.get())
            ending = None in group
            self._commit([job for job in group if job is not None])
            if self._empties_log.is_set() and empty_log(self._writer):
                self._empties_log.clear()

    def _commit(self, group: list[tuple[Work, Future[Any]]]) -> None:
        # Whoever stopped waiting before the work began has it left undone; from here on nobody can.
        group = [(work, future) for work, future in group if future.set_running_or_notify_cancel()]
        try:
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                results = [self._attempt(session, work) for work, _ in group]
        except Exception as error:
            # Nothing of this group reached the disk, so nobody may be told that it did.
            for _, future in group:
                future.set_exception(self._explained(error))
        else:
            for (_, future), (result, refusal) in zip(group, results, strict=True):
                if refusal is None:
                    future.set_result(result)
                else:
                    future.set_exception(refusal)

    def _attempt(self, session: Session, work: Work) -> tuple[Any, Exception | None]:
        """What `work` returned, or what it raised once its own changes are undone.

        Raises where the whole transaction is given up (a full disk or a lost server does that), and the group with it.
        """
        connection = session.connection().connection.driver_connection
        try:
            with session.begin_nested():
                result = work(session)
        except Exception as error:
            if not self._goes_on(connection):
                raise
            return None, self._explained(error)
        return result, None

    def _goes_on(self, connection: Any) -> bool:
        return postgres.in_transaction(connection) if self.shared else bool(connection.in_transaction)

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, DBAPIError):
            return error
        kind = Unstorable if isinstance(_first(error), DataError) else DatabaseProblem
        problem = kind(f"The database {self.name} can't be written: {postgres.why(_first(error))}.")
        problem.__cause__ = error
        return problem


def _first(error: DBAPIError) -> DBAPIError:
    """What went wrong first; undoing it may have failed too, which tells nobody anything."""
    before: BaseException | None = error
    while before is not None:
        if isinstance(before, DBAPIError):
            error = before
        before = before.__context__
    return error


@contextmanager
def writer_lock(url: str) -> Iterator[None]:
    """Hold the right to write to a SQLite file, across processes; PostgreSQL lets several write, so nothing is held.

    Raises `DatabaseProblem` at once where another process holds it (a running server, as a rule).
    """
    if is_sqlite(url):
        with file_lock(sqlite_path(url)):
            yield
    else:
        yield


@contextmanager
def only_one(url: str, name: str, task: str) -> Iterator[None]:
    """Do what goes by `name` in no two processes at a time. On SQLite `writer_lock` has seen to that already.

    Raises `DatabaseProblem` at once where another process is at it; `task` says at what: "asking for answers".
    """
    if is_sqlite(url):
        yield
        return
    with postgres.advisory_lock(url, name) as is_ours:
        if not is_ours:
            raise DatabaseProblem(
                f"Another process is {task} already, for the database {name_of(url)}; "
                "let it end, and the same command goes on from there."
            )
        yield


def _engine(url: str, patience: postgres.Patience, *, writable: bool, references: bool = True) -> Engine:
    if is_sqlite(url):
        return sqlite_engine(url, writable=writable, references=references)
    return postgres.postgres_engine(url, writable=writable, patience=patience)


def check_integrity(database: Database) -> None:
    """Raise `DatabaseProblem` where SQLite finds a damaged page; counting rows would not notice it."""
    with database.read() as session:
        try:
            verdict = session.execute(text("PRAGMA quick_check")).scalar_one()
        except DBAPIError as error:
            verdict = str(error.orig)
    if verdict != "ok":
        raise DatabaseProblem(
            f"The database {database.name} is damaged ({verdict.splitlines()[0]}); "
            "restore a backup or move the file away."
        )
