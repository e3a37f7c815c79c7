"""The database: one writer that commits in groups, many readers, both on SQLite in WAL mode.

One writing connection alone commits and checkpoints: writers never meet a lock, one fsync serves
many votes, and the WAL-reset defect of SQLite before 3.51.3 can't arise.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session as Session  # part of what this module offers

GROUP_SIZE = 64
BUSY_MS = 5000

T = TypeVar("T")
Work = Callable[[Session], Any]


class DatabaseProblem(Exception):
    """The database can't be used; the message names the file and the remedy."""


class Database:
    """An open database. `read` gives a session that can't write; `write` runs on the writer thread."""

    def __init__(self, url: str) -> None:
        self.path = sqlite_path(url)
        self._reader = _engine(url, writable=False)
        self._writer = _engine(url, writable=True)
        self._jobs: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._write_groups, name="db-writer", daemon=True)
        self._thread.start()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that can't write. Raises `DatabaseProblem` where the file can't be read."""
        try:
            with Session(self._reader) as session:
                yield session
        except (DatabaseError, PoolTimeout) as error:
            raise DatabaseProblem(f"The database {self.path} can't be read: {error}.") from error

    def submit(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue `work` for the writer; the future resolves after its commit reached the disk.

        What `work` raises is raised by the future and undoes only this work, not its group. Cancelling
        the future before its turn leaves the work undone; later it has no effect.
        """
        future: Future[T] = Future()
        with self._door:  # nothing may be queued behind the writer's end: it would wait for ever
            if self._closed:
                raise DatabaseProblem(f"The database {self.path} is closed.")
            self._jobs.put((work, future))
        return future

    def write(self, work: Callable[[Session], T]) -> T:
        return self.submit(work).result()

    def close(self) -> None:
        """Finish what was submitted, then close every connection; the writer's last of all."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def _write_groups(self) -> None:
        ending = False
        while not ending:
            group = [self._jobs.get()]
            while len(group) < GROUP_SIZE and not self._jobs.empty():
                group.append(self._jobs.get())
            ending = None in group
            self._commit([job for job in group if job is not None])

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

        Raises where SQLite gave up the whole transaction (a full disk does that), and the group with it.
        """
        connection = session.connection().connection.driver_connection
        try:
            with session.begin_nested():
                result = work(session)
        except Exception as error:
            if not getattr(connection, "in_transaction", False):
                raise
            return None, self._explained(error)
        return result, None

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, DatabaseError):
            return error
        problem = DatabaseProblem(f"The database {self.path} can't be written: {_first(error).orig}.")
        problem.__cause__ = error
        return problem


def _first(error: DatabaseError) -> DatabaseError:
    """What went wrong first; undoing it may have failed too, which tells nobody anything."""
    before: BaseException | None = error
    while before is not None:
        if isinstance(before, DatabaseError):
            error = before
        before = before.__context__
    return error


def sqlite_path(url: str) -> Path:
    """The file behind a `sqlite:///…` URL. Raises `DatabaseProblem` for any other URL."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseProblem(f"ARENA_DATABASE_URL must be sqlite:///FILE, not {url}.") from error
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise DatabaseProblem(f"ARENA_DATABASE_URL must be sqlite:///FILE, not {parsed.render_as_string()}.")
    return Path(parsed.database)


@contextmanager
def writer_lock(url: str) -> Iterator[None]:
    """Hold the right to write to this database, across processes.

    Raises `DatabaseProblem` at once where another process holds it (a running server, as a rule).
    """
    path = sqlite_path(url)
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise DatabaseProblem(
            f"The database {path} is in use by a running arena; stop it first, or use another ARENA_DATABASE_URL."
        ) from error
    except OSError as error:
        raise DatabaseProblem(
            f"The folder {path.parent} can't be written ({error.strerror}); set ARENA_DATA."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _engine(url: str, *, writable: bool) -> Engine:
    engine = create_engine(url, pool_size=1 if writable else 5, max_overflow=0 if writable else 10)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        # First of all: pysqlite must not open transactions by itself, or BEGIN below comes too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")
        if writable:
            cursor.execute("PRAGMA journal_mode=WAL")
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writable else "BEGIN")

    return engine


def check_integrity(database: Database) -> None:
    """Raise `DatabaseProblem` where SQLite finds a damaged page; counting rows would not notice it."""
    with database.read() as session:
        try:
            verdict = session.execute(text("PRAGMA quick_check")).scalar_one()
        except DatabaseError as error:
            verdict = str(error.orig)
    if verdict != "ok":
        raise DatabaseProblem(
            f"The database {database.path} is damaged ({verdict.splitlines()[0]}); "
            "restore a backup or move the file away."
        )
