"""Moving everything from one database to another, of whichever kind, as it is at one moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

from sqlalchemy import delete, func, insert, inspect, select
from sqlalchemy.orm import Session

from db.schema import is_current, open_database
from db.session import Database, DatabaseProblem, writer_lock
from db.tables import Base, Counter, NetworkKey
from db.url import is_sqlite, name_of, sqlite_path

Told = Callable[[float], None]

ROWS_AT_ONCE = 1000
# In the order in which references allow them to be filled; the keys of networks stay where they were made.
TABLES = tuple(table for table in Base.metadata.sorted_tables if table.name != NetworkKey.__tablename__)


def copy_database(source_url: str, target_url: str, told: Told) -> dict[str, int]:
    """Copy all rows of all tables into an empty database, which is made if need be; how many of each table.

    `told` hears the share that is done, 0 to 1. All of it is one transaction: what fails leaves the target empty.
    Raises `DatabaseProblem` where the source is not there or of another schema, the target holds anything, or somebody
    wrote to the source meanwhile.
    """
    if name_of(source_url) == name_of(target_url):
        raise DatabaseProblem(f"The database {name_of(source_url)} can't be copied into itself; name another one.")
    with ExitStack() as stack:
        stack.enter_context(writer_lock(source_url))
        source = stack.enter_context(closing(open_source(source_url)))
        refuse_filled(target_url)
        stack.enter_context(writer_lock(target_url))
        target = stack.enter_context(closing(open_database(target_url)))
        return target.write(lambda session: copy_rows(source, session, told, still=True))


def open_source(url: str) -> Database:
    """A database to read from, left as it is. Raises `DatabaseProblem` where it is not there or of an older schema."""
    if is_sqlite(url) and not sqlite_path(url).is_file():
        raise DatabaseProblem(f"There is no database {name_of(url)}.")
    if not is_current(url):
        raise DatabaseProblem(
            f"The database {name_of(url)} is empty or older than this code; start the arena on it once, which brings "
            "it up to date."
        )
    return Database(url)


def refuse_filled(url: str) -> None:
    """Raise `DatabaseProblem` where the database holds a row of ours, of whatever schema."""
    if is_sqlite(url) and not sqlite_path(url).exists():
        return
    with closing(Database(url)) as database, database.read() as session:
        there = set(inspect(session.connection()).get_table_names())
        filled = [table.name for table in TABLES if table.name in there and _count(session, table.name)]
    if filled:
        raise DatabaseProblem(
            f"The database {name_of(url)} is not empty ({filled[0]} has rows), and nothing was written to it; "
            "name a new one."
        )


def copy_rows(source: Database, target: Session, told: Told | None = None, *, still: bool = False) -> dict[str, int]:
    """Add all rows of the source, as it is at one moment, to tables that are empty; how many of each table.

    Raises `DatabaseProblem` where not all arrived or, if it was to be `still`, the source has changed by then.
    """
    with source.read() as session:
        counts = _counts(session)
        whole, done = max(1, sum(counts.values())), 0
        for table in TABLES:
            rows = session.execute(
                select(table).order_by(*table.primary_key), execution_options={"yield_per": ROWS_AT_ONCE}
            )
            for part in rows.mappings().partitions():
                target.execute(insert(table), [dict(row) for row in part])
                done += len(part)
                if told:
                    told(done / whole)
    if _counts(target) != counts:
        raise DatabaseProblem(f"Not all rows of {source.name} arrived: {_counts(target)} of {counts}.")
    if still:
        _refuse_changed(source, target)
    return counts


def clear(target: Session) -> None:
    """Leave no row in any table that is copied."""
    for table in reversed(TABLES):
        target.execute(delete(table))


def counts_as(source: Database, target: Session) -> bool:
    """Whether both have as many rows in each table, and the same counters."""
    with source.read() as session:
        return _counts(session) == _counts(target) and _counters(session) == _counters(target)


def _refuse_changed(source: Database, target: Session) -> None:
    if not counts_as(source, target):
        raise DatabaseProblem(
            f"Somebody wrote to {source.name} while it was copied, and nothing was kept; stop its arena and copy again."
        )


def _counts(session: Session) -> dict[str, int]:
    return {table.name: _count(session, table.name) for table in TABLES}


def _count(session: Session, table: str) -> int:
    return session.scalar(select(func.count()).select_from(Base.metadata.tables[table])) or 0


def _counters(session: Session) -> dict[str, int]:
    return {row.name: row.value for row in session.scalars(select(Counter))}
