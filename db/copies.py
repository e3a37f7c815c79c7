"""SQLite files beside the database: looked at, copied and put in its place, without serving from them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from db.tables import NetworkKey
from db.url import DatabaseProblem
from db.votes import VOTES

_BESIDE = ("-wal", "-shm", "-journal")


def newest_in(file: Path) -> int:
    """The number of the newest vote in a file of any schema of ours; 0 without votes.

    Every page is checked. Raises `DatabaseProblem` for a damaged file, or one that is no database of ours.
    """
    try:
        with closing(_reading(file)) as connection:
            verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
            if verdict != "ok":
                raise DatabaseProblem(f"The database {file} is damaged ({verdict.splitlines()[0]}).")
            found = connection.execute("SELECT value FROM counter WHERE name = ?", (VOTES,)).fetchone()
    except sqlite3.Error as error:
        raise DatabaseProblem(f"The database {file} can't be read ({error}).") from error
    return int(found[0]) if found else 0


def battle_at(file: Path, sequence: int) -> str | None:
    """The battle of the vote with this number; None where there is none. Raises `DatabaseProblem`."""
    try:
        with closing(_reading(file)) as connection:
            found = connection.execute("SELECT battle_id FROM vote WHERE sequence = ?", (sequence,)).fetchone()
    except sqlite3.Error as error:
        raise DatabaseProblem(f"The database {file} can't be read ({error}).") from error
    return str(found[0]) if found else None


def is_new(file: Path) -> bool:
    """Whether no table was ever stored there: whoever made it may have been ended before. A damaged file is not new."""
    if not file.exists() or file.stat().st_size == 0:
        return True
    try:
        with closing(_reading(file)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error:
        return False  # whoever reads it will say what is wrong


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)


def copy_of(file: Path, target: Path) -> None:
    """A copy of a database that others may be writing to, as it is at one moment and readable by us alone.

    By SQLite's own backup: a plain copy loses what is still in the log. The keys of networks stay behind: a copy
    outlives the two days after which they are destroyed. Raises `DatabaseProblem`.
    """
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(target)) as copy:
            old.backup(copy)
            _drop_keys(copy)
    except sqlite3.Error as error:
        raise DatabaseProblem(f"The database {file} can't be copied to {target} ({error}).") from error


def _drop_keys(copy: sqlite3.Connection) -> None:
    """Leave none of the keys in the file, not even in its unused parts. Older schemas have none."""
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (NetworkKey.__tablename__,)).fetchone():
        copy.execute("PRAGMA secure_delete=ON")
        copy.execute(f"DELETE FROM {NetworkKey.__tablename__}")  # noqa: S608
        copy.commit()


def put_in_place(copy: Path, file: Path) -> Path | None:
    """Let a whole copy become the database; where what was there went, None where there was nothing.

    Nobody may have either open.
    """
    aside = None
    if not is_new(file):
        aside = free_name(file)
        copy_of(file, aside)  # whose closing, the last one, has put the log into the file: it is whole without
    for ending in _BESIDE:
        file.with_name(file.name + ending).unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    copy.chmod(0o600)
    copy.replace(file)
    return aside


def free_name(file: Path) -> Path:
    """A name beside the file under which it can be kept."""
    number = 1
    while (aside := file.with_name(f"{file.name}.aside-{number}")).exists():
        number += 1
    return aside
