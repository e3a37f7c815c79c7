"""What a visitor wrote is taken back: from every table and every byte of the file, and the ratings don't notice."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, NOW, begin, database_with, ready_battle, vote_of
from sqlalchemy import inspect
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from arena.cli import app
from arena.exchange.exports import pseudonym
from arena.labelling import label_again, label_missing
from arena.privacy.forgetting import NobodyFound, find, forget, look
from arena.settings import load_settings
from arena.voters import Voters, voter_secret
from db.columns import columns_after
from db.forget import older_battles
from db.journal import beside_votes, lines_after, read_journal, replay
from db.judged_battles import battles_to_judge
from db.outcome import Outcome
from db.queries import Side, finish_turn, own_battle, turns_of
from db.review import write_established
from db.session import Database, writer_lock
from db.tables import Battle, Turn, Vote, Voter
from db.url import is_sqlite, sqlite_path
from db.voters import exclude_voter
from db.votes import record_vote

pytestmark = pytest.mark.integrity

KEY = b"a key of this test"
ANN, BEN = "a" * 32, "b" * 32
SECRET = "my neighbour Ottilie Quackenbush owes me 70 shillings"
REPLY = Side(f"You said: {SECRET}. " + "x" * 9000, "stop", 2, length=9061, headings=0, lists=0, bold=0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE)) as database:
        database.write(partial(voted, battle_id="1" * 32, voter=ANN))
        database.write(partial(voted, battle_id="2" * 32, voter=BEN))
        yield database


def voted(session: Session, battle_id: str, voter: str) -> None:
    """A battle that tells a secret, and its vote."""
    key = begin(session, battle_id, voter)
    turn = session.get_one(Turn, key)
    turn.prompt, turn.category, turn.language = f"{SECRET} ({voter})", "coding", "en"
    battle = session.get_one(Battle, battle_id)
    battle.network, battle.prompt_key = "c" * 32, "d" * 32
    finish_turn(session, key, REPLY, REPLY, NOW)
    record_vote(session, battle_id, voter, Outcome.A, NOW, timedelta(hours=1))


def prompts(database: Database, battle_id: str) -> list[str]:
    with database.read() as session:
        return [turn.prompt + turn.answer_a + turn.answer_b for turn in turns_of(session, battle_id)]


def ratings_input(database: Database) -> object:
    with database.read() as session:
        return repr(columns_after(session, 0, 100))


def test_the_texts_of_one_voter_are_gone_and_everything_else_stays(database: Database) -> None:
    before, beside = vote_of(database, "1" * 32), _beside(database)
    counted = ratings_input(database)
    assert look(database, ANN, KEY).turns == 1
    assert forget(database, ANN, KEY, votes=False) == 1
    assert prompts(database, "1" * 32) == [""]
    assert SECRET in prompts(database, "2" * 32)[0], "another's texts stay"
    with database.read() as session:
        battle = session.get_one(Battle, "1" * 32)
        assert (battle.network, battle.prompt_key, battle.voter) == (None, None, ANN)
    after = vote_of(database, "1" * 32)
    assert before is not None
    assert after is not None
    assert _row(after) == _row(before)
    assert ratings_input(database) == counted
    assert _beside(database) != beside, "whoever keeps copies makes a new one"
    assert look(database, ANN, KEY).turns == 0


def _row(vote: Vote) -> dict[str, object]:
    return {column.key: getattr(vote, column.key) for column in inspect(Vote).columns}


def _beside(database: Database) -> str:
    with database.read() as session:
        return beside_votes(session)


def test_no_letter_is_left_in_the_file(tmp_path: Path) -> None:
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        database.write(partial(voted, battle_id="1" * 32, voter=ANN))
        # Turns are written again as they go on, so that older copies of their rows lie about in the file.
        database.write(lambda session: setattr(session.get_one(Turn, ("1" * 32, 0, 0)), "answer_b", "y" * 20_000))
        file = sqlite_path(database.url)
        assert SECRET.encode() in _bytes(file), "it can be found at all"
        forget(database, ANN, KEY, votes=False)
        assert SECRET.encode() not in _bytes(file)
    assert SECRET.encode() not in _bytes(file)


def test_what_changes_leaves_nothing_in_unused_parts_even_while_the_arena_runs(tmp_path: Path) -> None:
    """Retention rewrites no file: what it empties must be gone without that, once the log is."""
    from db.forget import forget_texts

    with closing(database_with(tmp_path, ANT, BEE)) as database:
        database.write(partial(voted, battle_id="1" * 32, voter=ANN))
    file = sqlite_path(database.url)
    careless = shutil.copy(file, tmp_path / "careless.db")
    with closing(sqlite3.connect(careless)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("UPDATE turn SET prompt = '', answer_a = '', answer_b = ''")
        connection.commit()
    assert SECRET.encode() in Path(careless).read_bytes(), "the control: they would lie about"
    with closing(Database(database.url)) as again:
        again.write(partial(forget_texts, battles=["1" * 32], lasting=()))
    assert SECRET.encode() not in _bytes(file)


def _bytes(file: Path) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(file.parent.glob(f"{file.name}*")))


def test_with_votes_nobody_known_has_cast_them_and_they_count_as_before(database: Database) -> None:
    database.write(partial(exclude_voter, voter=ANN, reason="spam", now=NOW))
    forget(database, ANN, KEY, votes=True)
    with database.read() as session:
        assert session.get(Voter, ANN) is None
        vote, battle = session.get_one(Vote, "1" * 32), session.get_one(Battle, "1" * 32)
        known = session.get_one(Voter, vote.voter)
        assert vote.voter == battle.voter != ANN
        assert len(vote.voter) == len(ANN)
        assert (vote.status, vote.reason, known.reason) == ("excluded", "spam", "spam")
        with pytest.raises(NobodyFound):
            find(session, ANN, KEY)


def test_a_voter_has_three_names_and_a_stranger_none(database: Database) -> None:
    with database.read() as session:
        mine = find(session, ANN, KEY)
        assert mine.battles == ("1" * 32,)
        assert find(session, pseudonym(ANN, KEY).upper(), KEY) == mine
        assert find(session, "2" * 32, KEY).battles == ("2" * 32,)
        for name in ("3" * 32, "", "%", pseudonym(ANN, b"another key")):
            with pytest.raises(NobodyFound):
                find(session, name, KEY)


def test_labels_that_were_told_outlive_the_texts_and_missing_ones_are_told_first(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="4" * 32, voter=ANN))
    forget(database, ANN, KEY, votes=False)
    with database.read() as session:
        told = session.get_one(Turn, ("4" * 32, 0, 0))
        assert told.category is not None
        labels = (told.category, told.length_a)
        assert labels[1] == len("an answer")
    label_again(database)
    assert label_missing(database) == 0
    with database.read() as session:
        told = session.get_one(Turn, ("4" * 32, 0, 0))
        assert (told.category, told.length_a) == labels
        assert session.get_one(Vote, "1" * 32).category == "coding"


def test_a_forgotten_battle_is_neither_voted_on_nor_judged_nor_exported(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="4" * 32, voter=ANN))
    with database.read() as session:
        assert len(battles_to_judge(session)) == 2
    forget(database, ANN, KEY, votes=False)
    with database.read() as session:
        assert [battle.battle_id for battle in battles_to_judge(session)] == ["2" * 32]
        assert own_battle(session, "4" * 32, ANN).status == "void"


def test_what_is_being_answered_is_left_and_said(database: Database) -> None:
    database.write(partial(begin, battle_id="5" * 32, voter=ANN))
    assert look(database, ANN, KEY).under_way == 1
    forget(database, ANN, KEY, votes=False)
    with database.read() as session:
        assert session.get_one(Turn, ("5" * 32, 0, 0)).prompt == "Why?"
        assert older_battles(session, NOW + timedelta(days=1), None, 10) == [(NOW, "2" * 32)]


def test_who_is_forgotten_while_answers_come_can_be_forgotten_again_when_they_have_come(database: Database) -> None:
    database.write(partial(begin, battle_id="5" * 32, voter=ANN))
    forget(database, ANN, KEY, votes=True)
    database.write(lambda session: finish_turn(session, ("5" * 32, 0, 0), REPLY, REPLY, NOW))
    assert look(database, ANN, KEY).turns == 1
    forget(database, ANN, KEY, votes=True)
    assert prompts(database, "5" * 32) == [""]
    with database.read() as session, pytest.raises(NobodyFound):
        find(session, ANN, KEY)


def test_what_a_review_has_read_of_somebody_brings_nobody_back(database: Database) -> None:
    forget(database, ANN, KEY, votes=True)
    database.write(partial(write_established, moments={ANN: NOW, BEN: NOW}, now=NOW))
    with database.read() as session:
        assert [voter.id for voter in session.query(Voter)] == [BEN]


def test_copies_of_before_a_migration_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        database.write(partial(voted, battle_id="1" * 32, voter=ANN))
        file, url = sqlite_path(database.url), database.url
    monkeypatch.setenv("ARENA_DATABASE_URL", url)
    told = CliRunner().invoke(app, ["forget", ANN, "--yes"])
    assert "migrations kept" not in told.output
    copy = shutil.copy(file, f"{file}.before-0005")
    told = CliRunner().invoke(app, ["forget", ANN, "--yes"])
    assert told.exit_code == 0, told.output
    assert copy in told.output.replace("\n", "")


def test_the_command_says_what_it_would_do_and_does_it_only_when_told(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATABASE_URL", database.url)
    run = CliRunner().invoke
    code = pseudonym(ANN, Voters(voter_secret(load_settings())).pseudonym_key)
    dry = run(app, ["forget", code])
    assert dry.exit_code == 0, dry.output
    assert "1 battles have texts" in dry.output
    assert "--yes" in dry.output
    assert SECRET in prompts(database, "1" * 32)[0]
    done = run(app, ["forget", code, "--votes", "--yes"])
    assert done.exit_code == 0, done.output
    assert prompts(database, "1" * 32) == [""]
    nobody = run(app, ["forget", code, "--yes"])
    assert nobody.exit_code == 1
    assert nobody.output.startswith("Nobody is called")
    if is_sqlite(database.url):
        with writer_lock(database.url):
            busy = run(app, ["forget", BEN, "--yes"])
        assert busy.exit_code == 1
        assert "stop it first" in busy.output
    assert SECRET in prompts(database, "2" * 32)[0]


def test_an_older_journal_brings_nothing_back(database: Database, tmp_path: Path) -> None:
    """Whoever replays what was told before, as a start does after a lost disk, finds the votes there already."""
    with database.read() as session:
        told = [line.text for line in lines_after(session, 0, 10)]
    assert SECRET in told[0]
    journal = tmp_path / "before.jsonl"
    journal.write_text("\n".join(told) + "\n", encoding="utf-8")
    forget(database, ANN, KEY, votes=True)
    entries, _ = read_journal(journal)
    assert database.write(partial(replay, entries=entries)).added == 0
    assert prompts(database, "1" * 32) == [""]
    with database.read() as session:
        assert session.get_one(Vote, "1" * 32).voter != ANN
