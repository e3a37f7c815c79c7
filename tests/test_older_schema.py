"""Verbs that read, on a database one schema behind: brought to today's first, or one sentence says why not."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from arenas import ANT, BEE, NOW, database_with, ready_battle
from sqlalchemy import text
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from arena.cli import app
from db.outcome import Outcome
from db.schema import MIGRATIONS, is_current
from db.session import Database, writer_lock
from db.votes import record_vote

pytestmark = pytest.mark.slow

BATTLE, ANN = "1" * 32, "a" * 32
READING = [
    "integrity review --dry-run", f"integrity show {ANN}", "integrity show nobody", f"forget {BATTLE}",
    "judge report", "judge failures", "leaderboard", "export votes --out votes.csv",
]  # fmt: skip


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of today's schema with one vote, which the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA", str(tmp_path))
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        database.write(_voted)
    return f"sqlite:///{tmp_path}/arena.db"


def _voted(session: Session) -> None:
    ready_battle(session, BATTLE, ANN)
    record_vote(session, BATTLE, ANN, Outcome.A, NOW, timedelta(hours=1))


def run(verb: str) -> Result:
    return CliRunner().invoke(app, verb.split())


def older(url: str) -> None:
    """Back to the schema before the newest."""

    def work(session: Session) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = session.connection()
        command.downgrade(config, "-1")

    with closing(Database(url, references=False)) as database:
        database.write(work)
    assert not is_current(url)


@pytest.mark.parametrize("verb", READING)
def test_a_verb_that_reads_says_of_an_older_database_what_it_says_of_todays(url: str, verb: str) -> None:
    today = run(verb)
    older(url)
    said = run(verb)
    assert (said.exit_code, said.output) == (today.exit_code, today.output)
    assert "can't be read" not in said.output
    assert is_current(url)


@pytest.mark.parametrize("verb", READING)
def test_beside_a_running_arena_of_older_code_a_verb_says_what_to_do(url: str, verb: str) -> None:
    older(url)
    with writer_lock(url):
        said = run(verb)
    assert said.exit_code == 1
    assert "stop it first" in said.output
    assert said.output.count("\n") == 1
    assert not is_current(url)


@pytest.mark.parametrize("verb", READING)
def test_beside_a_running_arena_of_this_code_a_verb_reads(url: str, verb: str) -> None:
    alone = run(verb)
    with writer_lock(url), closing(Database(url)):
        beside = run(verb)
    assert (beside.exit_code, beside.output) == (alone.exit_code, alone.output)


@pytest.mark.parametrize("verb", READING)
def test_of_a_newer_database_a_verb_says_so(url: str, verb: str) -> None:
    with closing(Database(url)) as database:
        newer = text("UPDATE alembic_version SET version_num = '9999'")
        database.write(partial(Session.execute, statement=newer))
    said = run(verb)
    assert said.exit_code == 1
    assert said.output.endswith("is newer than this code (schema 9999); update Paddock.\n")
    assert said.output.count("\n") == 1


@pytest.mark.parametrize("verb", ["integrity review --dry-run", "integrity show nobody"])
def test_where_no_database_is_yet_nobody_has_voted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA", str(tmp_path))
    assert ("Judged 0 votes" if "review" in verb else "has voted here") in run(verb).output
