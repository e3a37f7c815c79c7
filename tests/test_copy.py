from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
from arenas import ANT, BEE, WHOLE, database_with, prepared, ready_battle, vote
from judged_rows import evaluate
from postgres import Cluster
from sqlalchemy import select, text

from arena.labelling import label_missing
from db import copy, queries
from db.copy import TABLES, copy_database
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database, DatabaseProblem, Session, writer_lock
from db.tables import Counter
from db.votes import votes_after

pytestmark = pytest.mark.slow

STATES = ("generating", "open", "stopped", "void", "voted", "asked on", "regenerating", "second turn stopped")


@pytest.fixture
def source(database_url: str) -> str:
    """A database with something in every state."""
    with closing(database_with(database_url, ANT, BEE)) as database:
        play(database)
    return database_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where nothing is yet, not even tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/target.db"
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        with cluster.empty() as url:
            yield url


def play(database: Database) -> None:
    for state in STATES:
        prepared(database, state)
    strange = "\u4f60\u597d \U0001f980 'quoted' \"twice\" \\ back\n\tand on"
    for number in range(12):
        battle = f"b{number}"
        database.write(partial(ready_battle, battle_id=battle, voter=f"v{number % 3}"))
        if number % 2:
            side = replace(WHOLE, answer=strange * number, seconds=0.1 + number / 3, joules=1e-9)
            database.write(partial(rewrite, battle=battle, side=side))
        database.write(partial(vote, battle_id=battle, voter=f"v{number % 3}", outcome=list(Outcome)[number % 4]))
    database.write(evaluate)
    label_missing(database)


def rewrite(session: Session, battle: str, side: queries.Side) -> None:
    (turn,) = queries.turns_of(session, battle)
    turn.answer_a, turn.seconds_a, turn.joules_b = side.answer, side.seconds, side.joules


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, as this code reads it."""
    with closing(Database(url)) as database, database.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        }


def copied(source: str, target: str) -> tuple[dict[str, int], list[float]]:
    told: list[float] = []
    return copy_database(source, target, told.append), told


def refusal(source: str, target: str) -> str:
    with pytest.raises(DatabaseProblem) as raised:
        copied(source, target)
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def test_everything_arrives_and_comes_back_the_same(source: str, target: str, tmp_path: Path) -> None:
    counts, told = copied(source, target)
    before = everything(source)
    assert everything(target) == before
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert (counts["battle"], counts["vote"]) == (len(STATES) + 13, 13)
    assert (counts["question"], counts["answer"], counts["judgment"]) == (3, 5, 4)
    assert told == sorted(told)
    assert told[-1] == 1
    back = f"sqlite:///{tmp_path}/back.db"
    copied(target, back)
    assert everything(back) == before


def test_votes_go_on_where_they_stopped(source: str, target: str) -> None:
    copied(source, target)
    with closing(open_database(target)) as database:
        database.write(partial(vote, battle_id="open", outcome=Outcome.TIE))
        with database.read() as session:
            assert [row.sequence for row in votes_after(session, 12)] == [13, 14]


def test_many_rows_are_read_in_parts(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "ROWS_AT_ONCE", 4)
    _, told = copied(source, target)
    assert everything(target) == everything(source)
    assert len(told) > 10


def test_a_target_that_holds_anything_is_refused_and_left_alone(source: str, target: str) -> None:
    database_with(target, ANT).close()
    before = everything(target)
    assert "is not empty (contestant has rows), and nothing was written to it" in refusal(source, target)
    assert everything(target) == before


def test_a_copy_that_fails_leaves_nothing(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(share: float) -> None:
        if share > 0.9:
            raise RuntimeError("the line is dead")

    with pytest.raises(RuntimeError, match="the line is dead"):
        copy_database(source, target, fail)
    assert set(chain.from_iterable(everything(target).values())) == set()
    copied(source, target)
    assert everything(target) == everything(source)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda session: session.add(Counter(name="other", value=1)),
        lambda session: session.execute(text("UPDATE counter SET value = value + 1")) and None,
    ],
)
def test_a_source_that_somebody_writes_to_meanwhile_is_no_source(
    source: str, target: str, meddle: Callable[[Session], None]
) -> None:
    with closing(Database(source)) as other:
        told: list[float] = []

        def hear(share: float) -> None:
            if not told:
                other.write(meddle)
            told.append(share)

        with pytest.raises(DatabaseProblem, match=r"Somebody wrote to .* and nothing was kept; stop its arena"):
            copy_database(source, target, hear)
    assert set(chain.from_iterable(everything(target).values())) == set()


def test_what_is_no_source_is_said_and_no_target_is_made(tmp_path: Path, target: str) -> None:
    nowhere = f"sqlite:///{tmp_path}/nowhere.db"
    assert refusal(nowhere, target) == f"There is no database {tmp_path}/nowhere.db."
    (tmp_path / "empty.db").touch()
    assert "empty or older than this code" in refusal(f"sqlite:///{tmp_path}/empty.db", target)
    assert not (tmp_path / "nowhere.db").exists()
    assert not (tmp_path / "new" / "target.db").exists()


def test_a_database_is_not_copied_into_itself(source: str) -> None:
    assert "can't be copied into itself" in refusal(source, source)


def test_a_running_arena_on_a_file_is_stopped_first(tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/arena.db"
    open_database(source).close()
    with writer_lock(source):
        assert "in use by a running arena" in refusal(source, f"sqlite:///{tmp_path}/target.db")


def test_nul_in_an_answer_is_kept_as_unreadable_by_postgresql(tmp_path: Path, postgres: Cluster) -> None:
    source = f"sqlite:///{tmp_path}/arena.db"
    with closing(database_with(source, ANT, BEE)) as database:
        prepared(database, "stopped")
        database.write(lambda session: setattr(queries.turns_of(session, "stopped")[0], "answer_a", "a\0b"))
    with postgres.empty() as target:
        copied(source, target)
        with closing(Database(target)) as database, database.read() as session:
            assert queries.turns_of(session, "stopped")[0].answer_a == "a\ufffdb"
