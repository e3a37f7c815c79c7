"""`python -m arena db …` as a person types it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from arenas import ANT, BEE, database_with
from postgres import Cluster
from test_copy import everything, play
from typer.testing import CliRunner

from arena.cli import app
from db.session import Database, writer_lock


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that the settings name, with votes in it; the person is in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ARENA_DATABASE_URL", database_url)
    with closing(database_with(database_url, ANT, BEE)) as database:
        play(database)
    return database_url


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["db", *arguments])
    assert result.exit_code == 0, result.output
    return result.stderr


def refused(*arguments: str) -> str:
    """The one sentence of a verb that did nothing."""
    result = CliRunner().invoke(app, ["db", *arguments])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_everything_moves_to_postgresql_and_back(url: str, postgres: Cluster) -> None:
    with postgres.empty() as server:
        sentence = said("copy", url, server)
        assert "Copied 3 contestants, " in sentence
        assert "13 votes" in sentence
        assert "4 judgments" in sentence
        assert postgres.password not in sentence
        assert everything(server) == everything(url)
        said("copy", server, "sqlite:///back.db")
        assert everything("sqlite:///back.db") == everything(url)
        assert "is not empty" in refused("copy", url, server)


def test_a_backup_is_taken_beside_a_running_arena_and_restored_when_it_has_stopped(url: str) -> None:
    with writer_lock(url), closing(Database(url)):
        assert said("backup", "kept.db") == "Wrote 13 votes and all that belongs to them to kept.db.\n"
    assert "has 13 votes, 4 judgments, 5 answers in it, and nothing was restored" in refused("restore", "kept.db")
    sentence = said("restore", "kept.db", "--replace")
    assert sentence.startswith("Restored 13 votes from kept.db to ")
    assert "; what it held before is kept in " in sentence
    assert everything(url) == everything("sqlite:///kept.db")


def test_a_whole_database_is_said_to_be_whole_and_findings_are_printed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("check").endswith(" is whole.\n")
    monkeypatch.setenv("ARENA_DATABASE_URL", "sqlite:///nowhere.db")
    result = CliRunner().invoke(app, ["db", "check"])
    assert (result.exit_code, result.stdout) == (1, "There is no database nowhere.db.\n")
    assert not Path("nowhere.db").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["copy", "nonsense", "sqlite:///new.db"], "A database is sqlite:///FILE or postgresql+psycopg://USER:PASSW"),
        (["copy", "sqlite:///none.db", "sqlite:///new.db"], "There is no database none.db."),
        (["copy", "sqlite:///none.db", "mysql://ann:hunter2@host/db"], "A database is sqlite:///FILE or postgresql"),
        (["restore", "none.db"], "There is no backup none.db."),
        (["backup", "."], "The file . is there already"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(url: str, arguments: list[str], part: str) -> None:
    sentence = refused(*arguments)
    assert part in sentence
    assert "hunter2" not in sentence
