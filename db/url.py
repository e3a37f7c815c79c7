"""Which database an address names, and what is wrong with one that names none; no password is ever repeated."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

FORMS = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
_DRIVERS = ("sqlite", "postgresql", "postgresql+psycopg")


class DatabaseProblem(Exception):
    """The database can't be used; the message names it and the remedy."""


class Unstorable(DatabaseProblem):
    """The database works, but can't hold this one value: a number too large for it, as a rule."""


def check_url(url: str) -> URL:
    """The parsed address of a SQLite file or of a PostgreSQL database. Raises `DatabaseProblem` for any other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseProblem(f"A database is {FORMS}, not {_shown(url)}.") from error
    if parsed.drivername not in _DRIVERS or parsed.database in (None, "", ":memory:"):
        raise DatabaseProblem(f"A database is {FORMS}, not {_shown(url)}.")
    if "@" in (parsed.host or ""):
        raise DatabaseProblem(f"The address {_shown(url)} has two @: write %40 for one in the password.")
    return parsed


def is_sqlite(url: str) -> bool:
    """Whether the address names a SQLite file; else it names a PostgreSQL database, which processes may share."""
    return check_url(url).get_backend_name() == "sqlite"


def sqlite_path(url: str) -> Path:
    """The file behind a `sqlite:///…` address. Raises `DatabaseProblem` for any other address."""
    parsed = check_url(url)
    if not is_sqlite(url) or parsed.database is None:
        raise DatabaseProblem(f"The database {name_of(url)} is no file; give sqlite:///FILE.")
    return Path(parsed.database)


def name_of(url: str) -> str:
    """How messages name the database: its file, or where it is and who asks, without password or options."""
    parsed = check_url(url)
    if parsed.get_backend_name() == "sqlite":
        return str(parsed.database)
    where = URL.create("postgresql", parsed.username, host=parsed.host, port=parsed.port, database=parsed.database)
    return where.render_as_string()


def shown_url(url: str) -> str:
    """The address as it may be shown: with *** for a password, without options, which could hold one too."""
    parsed = check_url(url)
    return (parsed if parsed.get_backend_name() == "sqlite" else parsed.set(query={})).render_as_string()


def passwords_in(url: str) -> list[str]:
    """Every password in the address, as it is and as it is written there. Raises `DatabaseProblem`."""
    parsed = check_url(url)
    options = [value for name, value in parsed.normalized_query.items() if "password" in name]
    written = re.findall(r"://[^:/@]*:([^@]*)@", url) + re.findall(r"password=([^&]*)", url)
    return sorted({*written, parsed.password or "", *(one for values in options for one in values)} - {""})


def _shown(url: str) -> str:
    """A wrong address, as far as it can hold no password."""
    return url.partition(":")[0] + ":…" if "@" in url or "password" in url.lower() else url or "nothing"
