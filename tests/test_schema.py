from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from arenas import ANT, BEE, NOW, begin, database_with, prepared
from judged_rows import evaluate
from sqlalchemy import text
from sqlalchemy.orm import Session

from arena.boards.ledger import Ledger
from arena.ratings.bradley_terry import fit
from arena.ratings.tally import count
from db import schema
from db.check import check
from db.contestants import weights
from db.labels import turns_without_labels
from db.outcome import Outcome
from db.schema import is_current, open_database
from db.session import Database, DatabaseProblem, writer_lock
from db.tables import Base, Battle, Counter, Turn
from db.usage import took
from db.votes import votes_after

ROOT = Path(__file__).parents[1]
# A process whose files may hold no more than a few pages.
CRAMPED = """
import resource, sys
from db.schema import open_database
from db.session import DatabaseProblem
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    open_database(sys.argv[1])
except DatabaseProblem as error:
    sys.exit(str(error))
"""
LATER = '''
"""A later schema: one more table."""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("later", sa.Column("name", sa.String(), primary_key=True))
    {more}
'''
# What a server wrote before it measured its answers.
FIRST_ROWS = """
INSERT INTO contestant VALUES ('f1', 'ant', 'Ant', 'llamacpp', 'Q4', 'MIT', '', '{}', '2026-03-01 12:00:00');
INSERT INTO battle VALUES ('b1', 'ann', 'f1', 'f1', 0.5, 'voted', '2026-03-01 12:00:00', '2026-03-01 12:01:00');
INSERT INTO battle VALUES ('b2', 'bob', 'f1', 'f1', 0.5, 'void', '2026-03-01 12:00:00', '2026-03-01 12:01:00');
INSERT INTO turn VALUES ('b1', 0, 0, 'Why?', 7, 'finished', 1, 'old a', 'old b', 'stop', 'length', 11, 12, NULL,
  '2026-03-01 12:00:00', '2026-03-01 12:00:30');
INSERT INTO turn VALUES ('b1', 0, 1, 'Why?', 8, 'finished', 0, 'new a', 'new b', 'stop', 'stop', 13, 14, NULL,
  '2026-03-01 12:00:40', '2026-03-01 12:01:00');
INSERT INTO turn VALUES ('b2', 0, 0, 'How?', 9, 'failed', 0, 'half', '', NULL, 'failed', NULL, NULL, 'out of memory',
  '2026-03-01 12:00:00', '2026-03-01 12:01:00');
INSERT INTO vote VALUES ('b1', 'ann', 'tie', 1, '2026-03-01 12:02:00');
INSERT INTO counter VALUES ('votes', 1);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "arena.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def older(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with a battle, which this code (made to know a later schema) must migrate; its migration."""
    with closing(database_with(file.parent, ANT, BEE)) as database:
        database.write(lambda session: begin(session, "old"))
    migrations = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    later = migrations / "versions" / "later.py"
    later.write_text(later_migration())
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    return later


def later_migration(more: str = "") -> str:
    return LATER.format(head=ScriptDirectory(str(ROOT / "db" / "migrations")).get_current_head(), more=more)


def bring(url: str, revision: str, way: Callable[[Config, str], None]) -> None:
    """Up- or downgrade the file to a revision."""

    def work(session: Session) -> None:
        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = session.connection()
        way(config, revision)

    with closing(Database(url, references=False)) as database:
        database.write(work)


def words(sql: str) -> list[str]:
    """What a declaration says; a table that was remade has its name in quotes and its constraints in any order."""
    return sorted(sql.translate(str.maketrans(",", " ", '"')).split())


def everything(path: Path) -> dict[str, tuple[list[str], list[tuple[object, ...]]]]:
    """Every table: its declaration's words and its rows."""
    with closing(sqlite3.connect(path)) as connection:
        declared = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: (words(sql), connection.execute(f"SELECT * FROM {name}").fetchall())  # noqa: S608
            for name, sql in declared
        }


def refusal(url: str) -> str:
    with pytest.raises(DatabaseProblem) as raised:
        open_database(url).close()
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def fill(url: str) -> None:
    """Enough rows for many pages, all of them in the file itself."""
    with closing(open_database(url)) as database:
        database.write(lambda session: session.add_all(Counter(name=f"{n}" * 50, value=n) for n in range(2000)))


# -- what is made ----------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables(url: str) -> None:
    with closing(open_database(url)) as database, database.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_the_same_checks_and_keys_as_the_tables(url: str, tmp_path: Path) -> None:
    """Alembic's comparison overlooks CHECK constraints; the two schemas' own words do not."""
    open_database(url).close()
    declared = Database(f"sqlite:///{tmp_path}/declared.db")
    declared.write(lambda session: Base.metadata.create_all(session.connection()))
    declared.close()

    def schema_of(path: Path) -> dict[str, list[str]]:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: words(sql) for name, sql in rows if name != "alembic_version"}

    made, wanted = schema_of(tmp_path / "data" / "arena.db"), schema_of(tmp_path / "declared.db")
    assert made.keys() == wanted.keys()
    for name, sql in wanted.items():
        assert made[name] == sql, name


def test_opening_twice_keeps_everything(url: str) -> None:
    fill(url)
    with closing(open_database(url)) as database, database.read() as session:
        assert session.query(Counter).count() == 2000


def test_nobody_else_on_the_machine_may_read_the_database(url: str, file: Path) -> None:
    with closing(open_database(url)) as database:
        database.write(lambda session: session.add(Counter(name="n", value=1)))
        for path in file.parent.glob("arena.db*"):
            if path.suffix != ".lock":
                assert path.stat().st_mode & 0o077 == 0, path.name
        assert file.with_name("arena.db-wal").exists()


def test_only_a_file_with_this_schema_is_current(url: str, file: Path) -> None:
    assert not is_current(url)
    assert not file.parent.exists(), "looking makes nothing"
    file.parent.mkdir()
    file.touch()
    assert not is_current(url)
    open_database(url).close()
    assert is_current(url)


# -- an older schema -------------------------------------------------------------------------------


def test_an_older_schema_is_migrated_and_kept_as_it_was_beside(url: str, file: Path, older: Path) -> None:
    assert not is_current(url)
    with closing(open_database(url)) as database, database.read() as session:
        assert session.get_one(Battle, "old").voter == "ann"
    assert is_current(url)
    snapshot = file.with_name("arena.db.before-later")
    assert "later" in tables(file)
    assert "later" not in tables(snapshot)
    with closing(sqlite3.connect(snapshot)) as connection:
        assert connection.execute("SELECT id FROM battle").fetchall() == [("old",)]
    assert snapshot.stat().st_mode & 0o777 == 0o600


def test_a_migration_that_fails_half_way_changes_nothing(url: str, file: Path, older: Path) -> None:
    older.write_text(later_migration('op.execute("INSERT INTO nowhere VALUES (1)")'))
    assert str(file) in refusal(url)
    assert "later" not in tables(file)
    older.write_text(later_migration())
    open_database(url).close()
    assert "later" in tables(file)


def test_a_migration_that_breaks_references_changes_nothing(url: str, file: Path, older: Path) -> None:
    older.write_text(
        later_migration('op.execute("PRAGMA defer_foreign_keys=ON"); op.execute("DELETE FROM contestant")')
    )
    assert refusal(url) == f"The migration of {file} would break references in battle; nothing was changed."
    assert "later" not in tables(file)


def test_a_database_from_before_answers_were_measured_keeps_its_battles(url: str, file: Path) -> None:
    file.parent.mkdir()
    bring(url, "0001", command.upgrade)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(FIRST_ROWS)
    before = everything(file)
    assert not is_current(url)
    with closing(open_database(url)) as database, database.read() as session:
        turns = session.query(Turn).order_by(Turn.battle_id, Turn.attempt).all()
        assert [(turn.answer_a, turn.tokens_b, turn.failure) for turn in turns] == [
            ("old a", 12, None), ("new a", 14, None), ("half", None, "out of memory"),
        ]  # fmt: skip
        assert {took(turn, side)[2:] for turn in turns for side in ("a", "b")} == {(None, None, None, None)}
        (vote,) = votes_after(session, 0)
        assert (vote.battle_id, vote.a, vote.turns, vote.category, vote.language) == ("b1", "f1", 1, None, None)
        assert (vote.status, vote.reason, vote.verified) == ("counted", None, False)
        assert weights(session) == {}, "everybody is drawn as before"
        assert [turn.attempt for turn in turns_without_labels(session, 10)] == [0, 1], "a failed one gets no labels"
    assert everything(file.with_name("arena.db.before-0006")) == before
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE turn SET joules_a = 1.5, prompt_tokens_b = 3, category = 'coding', length_a = 4")
        connection.execute("UPDATE vote SET language = 'en', bold_b = 2")
        connection.commit()
    bring(url, "0001", command.downgrade)
    after = everything(file)
    assert after == before, "nothing else was touched, and nothing of it is left"
    bring(url, "head", command.upgrade)
    assert is_current(url)


def play(connection: sqlite3.Connection, votes: int) -> None:
    """What an older server may have written: contestants, battles of several turns and attempts, votes, voids."""
    rng = Random(1)
    names = [f"f{number}" for number in range(12)]
    connection.executemany(
        "INSERT INTO contestant VALUES (?, ?, '', 'llamacpp', '', '', '', '{}', '2026-03-01 12:00:00.000000')",
        [(name, name) for name in names],
    )
    battles: list[tuple[object, ...]] = []
    turns: list[tuple[object, ...]] = []
    cast: list[tuple[object, ...]] = []
    for number in range(votes + 100):
        a, b = rng.sample(names, 2)
        battle, voter = rng.randbytes(16).hex(), f"v{rng.randrange(300)}"
        moment = f"2026-03-{1 + number % 28:02} 12:{rng.randrange(60):02}:00.{rng.randrange(10**6):06}"
        voted = number < votes
        battles.append((battle, voter, a, b, rng.random(), "voted" if voted else "void", moment, moment))
        for position in range(rng.choice((1, 1, 3))):
            last = rng.choice((0, 0, 2))
            turns += [
                (battle, position, attempt, attempt < last, "Why?", number, f"a{number}", "b", moment, moment)
                for attempt in range(last + 1)
            ]
        if voted:
            cast.append((battle, voter, rng.choice(list(Outcome)).value, len(cast) + 1, moment))
    connection.executemany("INSERT INTO battle VALUES (?, ?, ?, ?, ?, ?, ?, ?)", battles)
    connection.executemany(
        "INSERT INTO turn (battle_id, position, attempt, superseded, prompt, seed, answer_a, answer_b, started_at,"
        " finished_at, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'finished')",
        turns,
    )
    connection.executemany("INSERT INTO vote VALUES (?, ?, ?, ?, ?)", cast)
    connection.execute("INSERT INTO counter VALUES ('votes', ?)", (len(cast),))


# Every fact of an older database, by columns that each schema has; the turns of a vote as they were counted then.
FACTS = {
    "battle": "SELECT id, voter, contestant_a, contestant_b, probability, status, created_at, finished_at FROM battle",
    "turn": "SELECT battle_id, position, attempt, prompt, seed, status, superseded, answer_a, answer_b FROM turn",
    "vote": "SELECT battle_id, voter, outcome, sequence, created_at FROM vote",
    "counter": "SELECT * FROM counter",
    "contestant": "SELECT fingerprint, model_id, name, engine, quantization, license, url, created_at FROM contestant",
}
AS_COUNTED = """
SELECT sequence, vote.voter, contestant_a, contestant_b, outcome, vote.created_at,
    (SELECT count(*) FROM turn WHERE turn.battle_id = vote.battle_id AND superseded = 0)
FROM vote JOIN battle ON battle.id = vote.battle_id ORDER BY sequence
"""


def ratings(a: Sequence[str], b: Sequence[str], outcomes: Sequence[str]) -> dict[str, float]:
    codes = {name: number for number, name in enumerate(dict.fromkeys([*a, *b]))}
    first, second = (np.array([codes[name] for name in side]) for side in (a, b))
    fitted = fit(count(first, second, np.array([Outcome(outcome).score_a for outcome in outcomes]), len(codes)))
    return dict(zip(codes, fitted.rating.tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.integrity
@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005"])
def test_an_earlier_schema_with_ten_thousand_votes_keeps_every_fact_and_every_rating(
    url: str, file: Path, revision: str
) -> None:
    file.parent.mkdir()
    bring(url, min(revision, "0002"), command.upgrade)
    with closing(sqlite3.connect(file)) as connection:
        play(connection, 10_000)
        connection.commit()
        facts = {table: connection.execute(sql).fetchall() for table, sql in FACTS.items()}
        counted = connection.execute(AS_COUNTED).fetchall()
    bring(url, revision, command.upgrade)
    with closing(open_database(url)) as database:
        with database.read() as session:
            votes = votes_after(session, 0)
        columns = Ledger(database).follow()
    with closing(sqlite3.connect(file)) as connection:
        assert {table: connection.execute(sql).fetchall() for table, sql in FACTS.items()} == facts
    assert len(counted) == 10_000
    assert [
        (vote.sequence, vote.voter, vote.a, vote.b, vote.outcome.value, f"{vote.created_at:%Y-%m-%d %H:%M:%S.%f}",
         vote.turns)
        for vote in votes
    ] == counted  # fmt: skip
    _, _, a, b, outcomes, *_ = zip(*counted, strict=True)
    before = ratings(a, b, outcomes)
    assert columns.turns.tolist() == [row[-1] for row in counted]
    verdicts = tuple(Outcome)
    first, second = ([columns.contestants[code] for code in side] for side in (columns.a, columns.b))
    assert ratings(first, second, [verdicts[code] for code in columns.outcome]) == before


@pytest.mark.slow
def test_battles_keep_every_fact_through_the_judges_migration_and_back(url: str, file: Path) -> None:
    """It remakes the table of the battles, which turns, votes and judgments point to."""

    def facts() -> dict[str, list[tuple[object, ...]]]:
        with closing(sqlite3.connect(file)) as connection:
            return {table: connection.execute(sql).fetchall() for table, sql in FACTS.items()}

    with closing(database_with(url, ANT, BEE)) as database:
        for state in ("generating", "void", "voted"):
            prepared(database, state)
        database.write(evaluate)
    before = facts()
    bring(url, "0004", command.downgrade)
    assert facts() == before
    assert tables(file) & {"question", "answer", "judgment"} == set()
    with closing(open_database(url)) as database, database.read() as session:
        assert facts() == before
        assert {battle.question_id for battle in session.query(Battle)} == {None}
    assert check(url) == []


def test_references_are_enforced_again_after_a_migration(url: str, file: Path) -> None:
    file.parent.mkdir()
    bring(url, "0002", command.upgrade)
    with closing(open_database(url)) as database, pytest.raises(DatabaseProblem, match="FOREIGN KEY"):
        database.write(lambda session: session.add(Turn(
            battle_id="nowhere", position=0, attempt=0, prompt="", seed=1, status="stopped", started_at=NOW,
        )))  # fmt: skip


# -- what can't be opened --------------------------------------------------------------------------


def test_a_newer_schema_is_refused(url: str, file: Path) -> None:
    with closing(open_database(url)) as database:
        database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num='9999'")) and None)
    assert refusal(url) == f"The database {file} is newer than this code (schema 9999); update Paddock."
    with pytest.raises(DatabaseProblem, match="newer than this code"):
        is_current(url)


@pytest.mark.integrity
def test_a_damaged_page_is_found_before_anything_is_served(url: str, file: Path) -> None:
    fill(url)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 200] = bytes(byte ^ 0xFF for byte in content[middle : middle + 200])
    file.write_bytes(content)
    sentence = refusal(url)
    assert sentence.startswith(f"The database {file} is damaged (")
    assert sentence.endswith("); restore a backup or move the file away.")


@pytest.mark.parametrize("content", [b"hello", b"This is no database at all. " * 1000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(url: str, file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert refusal(url).startswith(f"The database {file} is damaged (file is not a database)")
    assert file.read_bytes() == content


def test_a_folder_in_the_files_place_is_refused(url: str, file: Path) -> None:
    file.mkdir(parents=True)
    assert refusal(url).startswith(f"The database {file} ")


def test_a_file_in_the_folders_place_is_refused(url: str, file: Path) -> None:
    file.parent.write_text("")
    assert refusal(url) == (f"The database {file} can't be written (File exists); set ARENA_DATA to a folder that can.")
    with pytest.raises(DatabaseProblem, match="set ARENA_DATA"), writer_lock(url):
        pass


@pytest.mark.slow
def test_a_disk_without_room_for_the_tables_is_said(url: str, file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRAMPED, url], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"The database {file} can't be ")
    assert done.stderr.count("\n") == 1
