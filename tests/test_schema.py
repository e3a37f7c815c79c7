from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from arenas import ANT, BEE, begin, database_with
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import schema
from db.schema import is_current, open_database
from db.session import Database, DatabaseProblem, writer_lock
from db.tables import Base, Battle, Counter, Turn
from db.usage import took

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

    with closing(Database(url)) as database:
        database.write(work)


def everything(path: Path) -> dict[str, tuple[str, list[tuple[object, ...]]]]:
    """Every table: its declaration's words and its rows."""
    with closing(sqlite3.connect(path)) as connection:
        declared = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: (" ".join(sql.replace(",", " ").split()), connection.execute(f"SELECT * FROM {name}").fetchall())  # noqa: S608
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

    def words(path: Path) -> dict[str, list[str]]:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: sorted(sql.replace(",", "").split()) for name, sql in rows if name != "alembic_version"}

    made, wanted = words(tmp_path / "data" / "arena.db"), words(tmp_path / "declared.db")
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
    assert everything(file.with_name("arena.db.before-0002")) == before
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE turn SET joules_a = 1.5, prompt_tokens_b = 3")
        connection.commit()
    bring(url, "0001", command.downgrade)
    after = everything(file)
    assert after == before, "nothing else was touched, and nothing of it is left"
    bring(url, "0002", command.upgrade)
    assert is_current(url)


# -- what can't be opened --------------------------------------------------------------------------


def test_a_newer_schema_is_refused(url: str, file: Path) -> None:
    with closing(open_database(url)) as database:
        database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num='9999'")) and None)
    assert refusal(url) == f"The database {file} is newer than this code (schema 9999); update Paddock."
    with pytest.raises(DatabaseProblem, match="newer than this code"):
        is_current(url)


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


def test_a_disk_without_room_for_the_tables_is_said(url: str, file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRAMPED, url], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"The database {file} can't be ")
    assert done.stderr.count("\n") == 1
