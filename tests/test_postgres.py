from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from arenas import ANT, BEE, LATE, NOW, database_with, prepared, ready_battle, status_of, vote
from postgres import Cluster
from sqlalchemy import CheckConstraint, make_url, text

from db import postgres as dialect
from db import queries
from db.check import check
from db.outcome import Outcome
from db.schema import MIGRATIONS, is_current, open_database
from db.session import Database, DatabaseProblem, Session, Unstorable, only_one, writer_lock
from db.tables import Base, Counter, Turn
from db.votes import votes_after

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()

# What a server wrote before it measured its answers.
FIRST_ROWS = """
INSERT INTO contestant VALUES ('f1', 'ant', 'Ant', 'llamacpp', 'Q4', 'MIT', '', '{}', '2026-03-01 12:00:00');
INSERT INTO battle VALUES ('b1', 'ann', 'f1', 'f1', 0.5, 'voted', '2026-03-01 12:00:00', '2026-03-01 12:01:00');
INSERT INTO turn VALUES ('b1', 0, 0, 'Why?', 7, 'finished', true, 'old a', 'old b', 'stop', 'length', 11, 12, NULL,
  '2026-03-01 12:00:00', '2026-03-01 12:00:30');
INSERT INTO turn VALUES ('b1', 0, 1, 'Why?', 8, 'finished', false, 'new a', 'new b', 'stop', 'stop', 13, 14, NULL,
  '2026-03-01 12:00:40', '2026-03-01 12:01:00');
INSERT INTO vote VALUES ('b1', 'ann', 'tie', 1, '2026-03-01 12:02:00');
INSERT INTO counter VALUES ('votes', 1);
"""


@pytest.fixture
def server(postgres: Cluster) -> Cluster:
    return postgres


@pytest.fixture
def url(server: Cluster) -> Iterator[str]:
    with server.fresh() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(database_with(url, ANT, BEE)) as database:
        yield database


def refusal(url: str) -> str:
    with pytest.raises(DatabaseProblem) as raised:
        open_database(url).close()
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert "hunter2" not in sentence
    return sentence


def backend(session: Session) -> int:
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


# -- the schema ------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_every_check_of_the_tables_is_in_the_database(database: Database) -> None:
    """Alembic's comparison overlooks CHECK constraints."""
    tables = Base.metadata.tables.values()
    declared = {str(one.name) for table in tables for one in table.constraints if isinstance(one, CheckConstraint)}
    with database.read() as session:
        rows = session.execute(text("SELECT conname FROM pg_constraint WHERE contype = 'c'"))
        assert {row[0] for row in rows if not row[0].startswith("cardinal")} >= declared
    assert "ck_vote_outcome" in declared


def test_arenas_that_start_together_on_an_empty_database_migrate_it_once(server: Cluster) -> None:
    with server.empty() as url:
        assert not is_current(url)
        with ThreadPoolExecutor(4) as threads:
            for database in list(threads.map(open_database, [url] * 4)):
                database.close()
        assert is_current(url)


def test_a_newer_schema_is_refused(database: Database, url: str) -> None:
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    database.write(partial(Session.execute, statement=newer))
    try:
        assert "is newer than this code (schema 9999); update Paddock." in refusal(url)
    finally:
        back = text("UPDATE alembic_version SET version_num = :head").bindparams(head=HEAD)
        database.write(partial(Session.execute, statement=back))


def test_an_older_schema_with_battles_is_migrated_and_can_go_back(server: Cluster) -> None:
    with server.empty() as url:
        bring(url, "0001", command.upgrade)
        for statement in FIRST_ROWS.strip().split(";\n"):
            server.sql(statement, str(make_url(url).database))
        assert not is_current(url)
        with closing(open_database(url)) as database, database.read() as session:
            (row,) = votes_after(session, 0)
            assert (row.battle_id, row.a, row.turns, row.outcome) == ("b1", "f1", 1, Outcome.TIE)
            assert row.created_at == datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
            assert session.query(Turn).filter_by(superseded=True).one().answer_a == "old a"
        assert check(url) == []
        bring(url, "0001", command.downgrade)
        assert not is_current(url)
        open_database(url).close()
        assert check(url) == []


def bring(url: str, revision: str, way: Callable[[Config, str], None]) -> None:
    """Up- or downgrade to a revision."""

    def work(session: Session) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = session.connection()
        way(config, revision)

    with closing(Database(url)) as database:
        database.write(work)


# -- what can't be reached -------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_repeated(url: str) -> None:
    wrong = make_url(url).set(password="hunter2").render_as_string(hide_password=False)
    sentence = refusal(wrong)
    assert 'can\'t be reached (FATAL: password authentication failed for user "paddock")' in sentence
    assert sentence.endswith("check ARENA_DATABASE_URL, and that the server runs and knows the database.")


def test_a_database_that_is_not_there_is_named(server: Cluster) -> None:
    assert '(FATAL: database "nowhere" does not exist)' in refusal(server.url("nowhere"))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        sentence = refusal(f"postgresql+psycopg://ann:hunter2@127.0.0.1:{port}/arena")
    assert sentence.startswith(f"The database postgresql://ann@127.0.0.1:{port}/arena can't be reached (Connection ref")


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "CONNECT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "timeout" in refusal(f"postgresql://ann:hunter2@127.0.0.1:{silent.getsockname()[1]}/arena")


def test_a_misspelt_option_is_named(url: str) -> None:
    assert '(invalid connection option "sslmod")' in refusal(f"{url}?sslmod=require")


def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "OLDEST", 99)
    assert "version 99 or newer is needed." in refusal(url)


# -- reading and writing ---------------------------------------------------------------------------


def test_readers_may_not_write(database: Database) -> None:
    with pytest.raises(DatabaseProblem, match="read-only transaction"), database.read() as session:
        session.execute(text("DELETE FROM counter"))


def test_writers_of_all_processes_stand_in_line(url: str) -> None:
    inside, gate = threading.Event(), threading.Event()
    seen: list[int | None] = []

    def hold(session: Session) -> None:
        inside.set()
        gate.wait(20)
        session.add(Counter(name="first", value=7))

    def look(session: Session) -> None:
        seen.append(session.query(Counter.value).filter_by(name="first").scalar())

    with closing(Database(url)) as one, closing(Database(url)) as other:
        first = one.submit(hold)
        inside.wait(20)
        second = other.submit(look)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        gate.set()
        first.result(20)
        second.result(20)
    assert seen == [7], "who waited sees what was committed meanwhile"


def test_votes_through_several_databases_are_numbered_in_the_order_of_their_commits(url: str) -> None:
    with ExitStack() as stack:
        stack.enter_context(closing(database_with(url, ANT, BEE)))
        arenas = [stack.enter_context(closing(Database(url))) for _ in range(3)]
        for number in range(60):
            arenas[0].write(partial(ready_battle, battle_id=f"b{number}"))
        watched: list[int] = []
        ended = threading.Event()

        def follow() -> None:
            while not ended.is_set() or len(watched) < 60:
                with arenas[0].read() as session:
                    watched.extend(row.sequence for row in votes_after(session, watched[-1] if watched else 0))

        follower = threading.Thread(target=follow)
        follower.start()
        with ThreadPoolExecutor(12) as threads:
            list(
                threads.map(
                    lambda number: arenas[number % 3].write(partial(vote, battle_id=f"b{number}", outcome=Outcome.A)),
                    range(60),
                )
            )
        ended.set()
        follower.join(30)
    assert watched == list(range(1, 61)), "who follows from a watermark misses no vote"


def test_a_connection_that_is_lost_tells_everyone_in_the_group_and_writing_goes_on(
    database: Database, server: Cluster
) -> None:
    gate, begun = threading.Event(), threading.Event()

    def hold(_: Session) -> None:
        begun.set()
        gate.wait(20)

    def cut(session: Session) -> None:
        server.sql(f"SELECT pg_terminate_backend({backend(session)})")
        session.execute(text("SELECT 1"))

    database.submit(hold)
    begun.wait(20)
    works: list[Callable[[Session], None]] = [partial(add, name="before"), cut, partial(add, name="after")]
    futures = [database.submit(work) for work in works]
    gate.set()
    for future in futures:
        assert isinstance(future.exception(20), DatabaseProblem)
    database.write(partial(add, name="later"))
    with database.read() as session:
        assert [row.name for row in session.query(Counter)] == ["later"]


def add(session: Session, name: str) -> None:
    session.add(Counter(name=name, value=1))


def test_readers_go_on_after_the_server_cut_them_off(database: Database, server: Cluster) -> None:
    with database.read() as session:
        pid = backend(session)
    server.sql(f"SELECT pg_terminate_backend({pid})")
    with database.read() as session:
        assert session.query(Counter).count() == 0


def test_who_waits_too_long_for_a_writer_that_hangs_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "_PATIENCE", "SET lock_timeout = '200ms'")
    inside, gate = threading.Event(), threading.Event()

    def hang(_: Session) -> None:
        inside.set()
        gate.wait(20)

    with closing(Database(url)) as one, closing(Database(url)) as other:
        hanging = one.submit(hang)
        inside.wait(20)
        with pytest.raises(DatabaseProblem, match="lock timeout"):
            other.write(partial(add, name="late"))
        gate.set()
        hanging.result(20)
        other.write(partial(add, name="late"))


def test_a_number_that_is_too_large_is_the_row_s_trouble_and_not_the_database_s(database: Database) -> None:
    with pytest.raises(Unstorable, match="integer out of range"):
        database.write(lambda session: session.add(Counter(name="large", value=2**40)))
    database.write(partial(add, name="after"))


def test_nul_in_a_text_is_kept_as_an_unreadable_mark(database: Database) -> None:
    database.write(partial(add, name="a\0b"))
    with database.read() as session:
        assert session.query(Counter).one().name == "a\ufffdb"


# -- several arenas --------------------------------------------------------------------------------


def test_no_lock_keeps_a_second_arena_out(url: str) -> None:
    with writer_lock(url), writer_lock(url):
        open_database(url).close()


def test_what_only_one_may_do_is_refused_to_a_second_in_a_sentence_until_the_first_ends(url: str) -> None:
    with only_one(url, "judge x", "asking x for judgments"):
        with only_one(url, "judge y", "asking y for judgments"):
            pass
        with (
            pytest.raises(DatabaseProblem, match=r"^Another process is asking x for judgments already.*\.$") as raised,
            only_one(url, "judge x", "asking x for judgments"),
        ):
            pass
        assert "paddock:" not in str(raised.value), "no password"
    with pytest.raises(KeyError), only_one(url, "judge x", "asking x for judgments"):
        raise KeyError
    with only_one(url, "judge x", "asking x for judgments"), closing(Database(url)) as database, database.read() as now:
        held = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
        assert now.execute(text(held)).scalar_one() == 0, "a run may take hours"


def test_a_starting_arena_leaves_alone_what_another_may_still_be_answering(database: Database) -> None:
    prepared(database, "generating")  # begun at NOW
    prepared(database, "regenerating")
    assert database.shared
    stop = partial(queries.stop_orphans, now=LATE)
    assert database.write(partial(stop, begun_before=NOW)) == 0
    assert status_of(database, "generating") == "generating"
    assert database.write(partial(stop, begun_before=LATE)) == 2
    assert (status_of(database, "generating"), status_of(database, "regenerating")) == ("stopped", "stopped")
