"""One file that holds everything: taken beside a running arena, and put back where nothing would be lost by it."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, inspect, select

from db.check import damage
from db.copies import copy_of, free_name, put_in_place
from db.copy import clear, copy_rows, counts_as, open_source
from db.schema import open_database
from db.session import Database, DatabaseProblem, Session, check_integrity, writer_lock
from db.tables import Answer, Judgment, Vote
from db.url import is_sqlite, name_of, sqlite_path


def backup(url: str, file: Path) -> int:
    """Write the database, as it is at one moment, to a new SQLite file that only we may read; the number of its votes.

    The file appears once it is whole and has been looked through. Raises `DatabaseProblem`.
    """
    if file.exists():
        raise DatabaseProblem(f"The file {file} is there already; name a new one.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
            part = Path(folder) / file.name
            votes = _write(url, part)
            part.replace(file)
    except OSError as error:
        raise DatabaseProblem(f"The file {file} can't be written ({error.strerror}); name another one.") from error
    return votes


def restore(file: Path, url: str, *, replace: bool = False) -> tuple[int, Path | None]:
    """Let a database hold what a backup holds: the number of votes, and where what it held before is kept.

    Raises `DatabaseProblem`, and changes nothing, where the file is damaged or of a newer schema, or the database has
    votes, judgments or answers in it; with `replace` those are kept first: beside the database or, of PostgreSQL,
    beside the file.
    """
    with tempfile.TemporaryDirectory(prefix="paddock-restore-", dir=_folder_beside(file, url)) as folder:
        part = Path(folder) / "restored.db"
        votes = _examined(file, part)
        with writer_lock(url):
            if not replace and (there := _held_in(url)):
                raise DatabaseProblem(
                    f"The database {name_of(url)} has {there} in it, and nothing was restored; restore to "
                    "another one, or say that these are to be replaced."
                )
            if is_sqlite(url):
                return votes, put_in_place(part, sqlite_path(url))
            kept = _kept(url, file) if replace else None
            _into_server(part, url, kept)
            return votes, kept


def _write(url: str, part: Path) -> int:
    if is_sqlite(url):
        if not sqlite_path(url).is_file():
            raise DatabaseProblem(f"There is no database {name_of(url)}.")
        copy_of(sqlite_path(url), part)
    else:
        with closing(open_source(url)) as source, closing(open_database(_url(part))) as target:
            target.write(lambda session: copy_rows(source, session))
    with closing(Database(_url(part))) as written:
        check_integrity(written)
        return _votes(written)


def _examined(file: Path, part: Path) -> int:
    """A copy of the backup, brought to this code's schema; the number of its votes. The file stays as it was."""
    if not file.is_file():
        raise DatabaseProblem(f"There is no backup {file}.")
    copy_of(file, part)
    try:
        with closing(open_database(_url(part))) as database:
            with database.read() as session:
                found = damage(session)
            votes = _votes(database)
    except DatabaseProblem as problem:
        found = [str(problem).replace(f"The database {part}", "it")]
    if found:
        raise DatabaseProblem(f"The backup {file} can't be used, and nothing was restored: {found[0]}")
    return votes


def _kept(url: str, file: Path) -> Path | None:
    """Where what a server holds, if it is any, is kept beside the backup."""
    with closing(open_database(url)) as database, database.read() as session:
        if not _held(session):
            return None
    kept = free_name(file)
    backup(url, kept)
    return kept


def _into_server(part: Path, url: str, kept: Path | None) -> None:
    """Replace all rows in one transaction. Raises `DatabaseProblem` where anything is there that is not kept."""

    def work(session: Session) -> None:
        if not _holds_all(kept, session):
            raise DatabaseProblem(
                f"Somebody wrote to {name_of(url)} meanwhile, and nothing was restored; stop its arenas and restore "
                "again."
            )
        clear(session)
        copy_rows(source, session)

    open_database(url).close()
    # As patient as for a migration: to clear one table may take minutes.
    with closing(Database(url, references=False)) as target, closing(Database(_url(part))) as source:
        target.write(work)


def _holds_all(kept: Path | None, session: Session) -> bool:
    if kept is None:
        return not _held(session)
    with closing(Database(_url(kept))) as copy:
        return counts_as(copy, session)


def _held_in(url: str) -> str:
    """What a database of whatever schema holds, as `_held` says it; the database is left as it is."""
    if is_sqlite(url) and not sqlite_path(url).exists():
        return ""
    with closing(Database(url)) as database, database.read() as session:
        return _held(session)


def _held(session: Session) -> str:
    """What nobody could get again, or not without paying again: "2 votes, 160 judgments"; nothing where it is none."""
    there = inspect(session.connection()).get_table_names()
    counts = {
        table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
        for table in (Vote, Judgment, Answer)
        if table.__tablename__ in there
    }
    return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items() if count)


def _votes(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Vote)) or 0


def _folder_beside(file: Path, url: str) -> Path:
    """Where a part can be written that is to take the database's place by a mere rename."""
    folder = sqlite_path(url).parent if is_sqlite(url) else file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseProblem(f"The folder {folder} can't be written ({error.strerror}); name another one.") from error
    return folder


def _url(file: Path) -> str:
    return f"sqlite:///{file}"
