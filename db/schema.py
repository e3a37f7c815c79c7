"""Opening a database: create it, migrate it, or refuse in one sentence."""

from __future__ import annotations

from contextlib import closing
from glob import escape
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.copies import copy_of
from db.postgres import check_server
from db.session import Database, DatabaseProblem, check_integrity
from db.sqlite import make_file
from db.url import is_sqlite, name_of, sqlite_path

MIGRATIONS = Path(__file__).with_name("migrations")
_BEFORE = ".before-"


def open_database(url: str) -> Database:
    """Open for serving: create the file or reach the server, check every page, migrate to this code's schema.

    The caller holds `writer_lock`. Raises `DatabaseProblem` for a folder that can't be written, a damaged file, a
    server that can't be used, or a schema newer than this code.
    """
    if is_sqlite(url):
        make_file(url)
    else:
        check_server(url)
    with closing(Database(url, references=False)) as database:
        if not database.shared:
            check_integrity(database)
        database.write(lambda session: migrate(session.connection(), url))
    return Database(url)


def is_current(url: str) -> bool:
    """Whether the database exists with exactly this code's schema, so that reading it needs no migration."""
    if not is_sqlite(url):
        check_server(url)
    elif not sqlite_path(url).is_file() or sqlite_path(url).stat().st_size == 0:
        return False
    with closing(Database(url)) as database:
        if not database.shared:
            check_integrity(database)
        with database.read() as session:
            return known_revision(session.connection(), url) == _scripts().get_current_head()


def migrate(connection: Connection, url: str) -> None:
    """Bring the schema to this code's head inside the caller's transaction; keep a copy of an older file first.

    The connection must not enforce references: SQLite changes a column by remaking its table, and a table that others
    point to could not be dropped. They are checked all together at the end. PostgreSQL changes tables where they are.
    """
    scripts = _scripts()
    revision = known_revision(connection, url)
    head = scripts.get_current_head()
    if revision == head:
        return
    if revision is not None and is_sqlite(url):
        path = sqlite_path(url)
        copy_of(path, path.with_name(f"{path.name}{_BEFORE}{head}"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    broken: list[Any] = list(connection.execute(text("PRAGMA foreign_key_check"))) if is_sqlite(url) else []
    if broken:
        raise DatabaseProblem(
            f"The migration of {name_of(url)} would break references in {broken[0][0]}; nothing was changed."
        )


def copies_before(url: str) -> list[Path]:
    """The files that `migrate` kept beside the database, each from before a migration; none of PostgreSQL.

    A copy that somebody made by hand under such a name is none of them.
    """
    if not is_sqlite(url):
        return []
    path, ours = sqlite_path(url), {script.revision for script in _scripts().walk_revisions()}
    named = path.parent.glob(f"{escape(path.name)}{_BEFORE}*")
    return sorted(copy for copy in named if copy.name.removeprefix(path.name + _BEFORE) in ours)


def known_revision(connection: Connection, url: str) -> str | None:
    """The schema the database has; None where it is empty. Raises `DatabaseProblem` for one of newer code."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise DatabaseProblem(
            f"The database {name_of(url)} is newer than this code (schema {revision}); update Paddock."
        )
    return revision


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
