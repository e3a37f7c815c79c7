from __future__ import annotations

from pathlib import Path

import pytest

from db.url import DatabaseProblem, check_url, is_sqlite, name_of, passwords_in, shown_url, sqlite_path

SERVER = "postgresql+psycopg://ann:hunter2@db.example:5433/arena?sslmode=require&password=hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense", "", "x.db", "sqlite://", "sqlite:///:memory:", "mysql://host:port/db", "mysql://host/db",
        "postgres://host/db", "postgresql+psycopg2://host/db", "postgresql+psycopg://host", "postgresql://host:port/db",
    ],
)  # fmt: skip
def test_another_kind_of_address_is_refused_with_what_it_must_be(url: str) -> None:
    with pytest.raises(DatabaseProblem) as raised:
        check_url(url)
    assert str(raised.value) == (
        f"A database is sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME, not {url or 'nothing'}."
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://ann:hunter2@host/db", "postgresql://ann:hunter2@host:port/db", "ann:hunter2@host",
        "postgresql+psycopg://ann:p@hunter2@host/db", "postgresql+psycopg:/db?password=hunter2",
    ],
)  # fmt: skip
def test_a_password_in_a_wrong_address_is_not_repeated(url: str) -> None:
    with pytest.raises(DatabaseProblem) as raised:
        check_url(url)
    assert "hunter2" not in str(raised.value)


def test_an_at_sign_in_a_password_is_to_be_written_as_percent_40() -> None:
    with pytest.raises(DatabaseProblem, match="write %40"):
        check_url("postgresql+psycopg://ann:p@ss@host/db")
    assert check_url("postgresql+psycopg://ann:p%40ss@host/db").password == "p@ss"


def test_a_database_is_named_without_its_password_and_shown_with_stars() -> None:
    assert name_of(SERVER) == "postgresql://ann@db.example:5433/arena"
    assert shown_url(SERVER) == "postgresql+psycopg://ann:***@db.example:5433/arena"
    assert (name_of("sqlite:///a/b.db"), shown_url("sqlite:///a/b.db")) == ("a/b.db", "sqlite:///a/b.db")


def test_all_passwords_of_an_address_are_found_as_they_are_and_as_they_are_written() -> None:
    url = "postgresql://ann:a%5Bb/c@db/arena?sslpassword=two%20words&password=x&application_name=us"
    assert passwords_in(url) == ["a%5Bb/c", "a[b/c", "two words", "two%20words", "x"]
    assert passwords_in("sqlite:///a/b.db") == []


def test_only_sqlite_has_a_file() -> None:
    assert is_sqlite("sqlite:////srv/arena.db")
    assert sqlite_path("sqlite:////srv/arena.db") == Path("/srv/arena.db")
    assert not is_sqlite(SERVER)
    assert not is_sqlite("postgresql:///arena?host=/run/postgresql")
    with pytest.raises(DatabaseProblem, match=r"postgresql://ann@db.example:5433/arena is no file"):
        sqlite_path(SERVER)
