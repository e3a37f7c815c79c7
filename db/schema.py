"""Opening a database: create it, migrate it, or refuse in one sentence."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.session import Database, DatabaseProblem, check_integrity, sqlite_path

MIGRATIONS = Path(__file__).with_name("migrations")


def open_database(url: str) -> Database:
    """Open for serving: create the file, check every page, migrate to this code's schema.

    The caller holds `writer_lock`. Raises `DatabaseProblem` for a folder that can't be written, a
    damaged file, or a schema newer than this code.
    """
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
    database = Database(url)
    try:
        check_integrity(database)
        database.write(lambda session: migrate(session.connection(), path))
    except BaseException:
        database.close()
        raise
    return database


def is_current(url: str) -> bool:
    """Whether the file exists with exactly this code's schema, so that reading it needs no migration."""
    path = sqlite_path(url)
    if not path.is_file() or path.stat().st_size == 0:
        return False
    database = Database(url)
    try:
        check_integrity(database)
        with database.read() as session:
            return _known_revision(session.connection(), path) == _scripts().get_current_head()
    finally:
        database.close()


def migrate(connection: Connection, path: Path) -> None:
    """Bring the schema to this code's head inside the caller's transaction; snapshot the old file first."""
    scripts = _scripts()
    revision = _known_revision(connection, path)
    head = scripts.get_current_head()
    if revision == head:
        return
    if revision is not None:
        _snapshot(path, path.with_name(f"{path.name}.before-{head}"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    broken: list[Any] = list(connection.execute(text("PRAGMA foreign_key_check")))
    if broken:
        raise DatabaseProblem(f"The migration of {path} would break references in {broken[0][0]}; nothing was changed.")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _known_revision(connection: Connection, path: Path) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise DatabaseProblem(f"The database {path} is newer than this code (schema {revision}); update Paddock.")
    return revision


def _snapshot(source: Path, target: Path) -> None:
    # As private as the original; and SQLite's own backup, since a plain copy loses what is still in the log.
    target.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as copy:
        old.backup(copy)
