"""SQLite in WAL mode: the connections, the lock of the one process that may write, and damage found in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Engine, create_engine, event

from db.url import DatabaseProblem, sqlite_path

BUSY_MS = 5000


def sqlite_engine(url: str, *, writable: bool, references: bool) -> Engine:
    """The one connection that writes and alone checkpoints, or those that only read.

    So the WAL-reset defect of SQLite before 3.51.3 can't arise.
    """
    engine = create_engine(
        url,
        pool_size=1 if writable else 5,
        max_overflow=0 if writable else 10,
        hide_parameters=True,  # an error is logged, and a prompt among them must not be
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        # First of all: pysqlite must not open transactions by itself, or BEGIN below comes too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if references else 'OFF'}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")  # what is forgotten leaves no letters in unused parts of the file
        if writable:
            cursor.execute("PRAGMA journal_mode=WAL")
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writable else "BEGIN")

    return engine


def empty_log(writer: Engine) -> bool:
    """Move the log into the file and cut it off; False where somebody still reads from it, or the disk refuses.

    Nobody is waited for: voters stand behind the writer. Whatever ails the disk, the next commit meets it too.
    """
    with closing(writer.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = cursor.fetchone()
        except sqlite3.Error:
            return False
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return row is not None and row[0] == 0


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the right to write to this file, across processes. Raises `DatabaseProblem` where another holds it."""
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


def make_file(url: str) -> None:
    """See to it that the file is there and nobody else may read it. Raises `DatabaseProblem` where it can't be."""
    path = sqlite_path(url)
    if path.is_dir():
        raise DatabaseProblem(f"The database {path} is a folder; ARENA_DATABASE_URL must name a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Votes and prompts are private: nobody else on this machine may read them.
        path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseProblem(
            f"The database {path} can't be written ({error.strerror}); set ARENA_DATA to a folder that can."
        ) from error
