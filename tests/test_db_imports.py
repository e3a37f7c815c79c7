from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from arenas import ANT, BEE, NOW, WINDOW, count, database_with, prepared, ready_battle, status_of, vote

from arena.boards.speed import Speeds
from db import imports, queries
from db.imports import ImportedTurn, ImportedVote, import_votes
from db.labels import turns_without_labels
from db.outcome import Outcome
from db.queries import Side
from db.session import Database, DatabaseProblem
from db.tables import Battle, Contestant, Turn, Vote
from db.usage import took_after
from db.votes import texts_of, votes_after

LONG_AGO = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


def stranger(fingerprint: str) -> Contestant:
    return Contestant(
        fingerprint=fingerprint, model_id=fingerprint, name=fingerprint.title(), engine="imported", quantization="",
        license="", url="", identity={}, created_at=NOW,
    )  # fmt: skip


def foreign(number: int, a: str = "gnu", b: str = "yak", source: str | None = "others.csv") -> ImportedVote:
    return ImportedVote(
        battle_id=f"x{number}", voter=f"worker{number % 7}", a=a, b=b, outcome=list(Outcome)[number % 4], turns=2,
        category="coding", language=None, source=source, created_at=LONG_AGO + timedelta(seconds=number),
        length_a=40, length_b=50,
    )  # fmt: skip


def take_in(database: Database, *votes: ImportedVote) -> tuple[int, int]:
    strangers = {name: stranger(name) for name in ("gnu", "yak")}
    return database.write(lambda session: import_votes(session, votes, strangers))


def test_imported_votes_stand_among_the_others_with_all_that_is_known(database: Database) -> None:
    prepared(database, "voted")
    assert take_in(database, foreign(1), foreign(2, a=ANT.fingerprint)) == (2, 0)
    database.write(partial(ready_battle, battle_id="later"))
    database.write(partial(vote, battle_id="later", outcome=Outcome.B))
    with database.read() as session:
        rows = votes_after(session, 0)
        assert [(row.sequence, row.battle_id) for row in rows] == [(1, "voted"), (2, "x1"), (3, "x2"), (4, "later")]
        row = rows[1]
        assert (row.voter, row.a, row.b, row.outcome, row.turns) == ("worker1", "gnu", "yak", Outcome.B, 2)
        assert (row.category, row.language, row.created_at) == ("coding", None, LONG_AGO + timedelta(seconds=1))
        battle, stored = session.get_one(Battle, "x1"), session.get_one(Vote, "x1")
        assert (battle.status, battle.probability, battle.source) == ("voted", None, "others.csv")
        assert (battle.created_at, battle.finished_at) == (stored.created_at, stored.created_at)
        assert (stored.length_a, stored.length_b, stored.bold_a) == (40, 50, None)
        assert [one.name for one in queries.contestants(session)][-2:] == ["Gnu", "Yak"]


def test_the_same_votes_again_add_nothing(database: Database) -> None:
    votes = [foreign(number) for number in range(5)]
    assert take_in(database, *votes) == (5, 0)
    changed = replace(votes[0], outcome=Outcome.TIE, voter="another")
    assert take_in(database, changed, foreign(9), *votes[1:]) == (1, 5)
    with database.read() as session:
        rows = votes_after(session, 0)
    assert [row.battle_id for row in rows] == ["x0", "x1", "x2", "x3", "x4", "x9"]
    assert (rows[0].outcome, rows[0].voter) == (Outcome.A, "worker0")


def test_of_two_votes_on_one_battle_the_first_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "VOTES_AT_ONCE", 2)
    twice = [foreign(1), replace(foreign(1), outcome=Outcome.TIE), foreign(2), replace(foreign(1), voter="late")]
    assert take_in(database, *twice) == (2, 2)
    with database.read() as session:
        assert [(row.battle_id, row.voter) for row in votes_after(session, 0)] == [("x1", "worker1"), ("x2", "worker2")]


def test_many_votes_keep_their_order_across_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "VOTES_AT_ONCE", 7)
    assert take_in(database, *(foreign(number) for number in range(100))) == (100, 0)
    with database.read() as session:
        rows = votes_after(session, 0)
    assert [(row.sequence, row.battle_id) for row in rows] == [(number + 1, f"x{number}") for number in range(100)]


def test_a_conversation_comes_along_with_what_its_answers_took(database: Database) -> None:
    told = Side("Yes.", "stop", 3, 12, 0.25, 1.5, 4.0, length=4, headings=0, lists=0, bold=0)
    talk = (ImportedTurn("Why?", told, Side("No.", None, None), "coding", "en"), ImportedTurn("And?", told, told))
    take_in(database, replace(foreign(1), conversation=talk))
    with database.read() as session:
        (first, second) = texts_of(session, ["x1"])["x1"]
        assert [first["prompt"], first["answer_a"], first["answer_b"]] == ["Why?", "Yes.", "No."]
        assert (first["tokens_a"], first["seconds_a"], first["joules_a"], first["reason_b"]) == (3, 1.5, 4.0, None)
        turn = session.get_one(Turn, ("x1", 0, 0))
        assert (turn.status, turn.category, turn.length_a, turn.length_b) == ("finished", "coding", 4, None)
        assert second["prompt"] == "And?"
        assert [key[:3] for key in turns_without_labels(session, 9)] == [("x1", 1, 0)]


def test_an_import_that_fails_leaves_nothing(database: Database) -> None:
    def broken() -> Iterator[ImportedVote]:
        yield from (foreign(number) for number in range(imports.VOTES_AT_ONCE + 1))
        raise LookupError("line 7")

    with pytest.raises(LookupError, match="line 7"):
        database.write(
            lambda session: import_votes(session, broken(), {"gnu": stranger("gnu"), "yak": stranger("yak")})
        )
    with pytest.raises(KeyError, match="emu"):
        take_in(database, foreign(1), foreign(2, a="emu"))
    with pytest.raises(DatabaseProblem, match="ck_vote_outcome"):
        take_in(database, replace(foreign(1), outcome=_Bad.WORSE))  # type: ignore[arg-type]
    assert [count(database, table) for table in (Battle, Turn, Vote)] == [0, 0, 0]
    with database.read() as session:
        assert len(queries.contestants(session)) == 2
    prepared(database, "voted")
    with database.read() as session:
        assert [row.sequence for row in votes_after(session, 0)] == [1], "no number was used up"


def test_contestants_may_become_known_while_the_votes_are_read(database: Database) -> None:
    met: dict[str, Contestant] = {}

    def reading() -> Iterator[ImportedVote]:
        for number, name in enumerate(("gnu", "yak", "emu")):
            met[name] = stranger(name)
            yield foreign(number, a=name, b=ANT.fingerprint)

    assert database.write(lambda session: import_votes(session, reading(), met)) == (3, 0)


def test_imported_battles_count_for_pairs_and_wait_for_nobody(database: Database) -> None:
    prepared(database, "open")
    late = replace(foreign(1, ANT.fingerprint, BEE.fingerprint), voter="ann", created_at=NOW + timedelta(minutes=1))
    take_in(database, late)
    with database.read() as session:
        assert queries.battle_counts(session) == {(ANT.fingerprint, BEE.fingerprint): 2}
        assert queries.waiting_battle(session, "ann", NOW - WINDOW) == "open"
    assert status_of(database, "x1") == "voted"


def test_speeds_leave_out_what_other_machines_took_and_votes_without_texts(database: Database) -> None:
    side = Side("Yes.", "stop", 30, 12, 0.5, 1.5)
    here = foreign(1, ANT.fingerprint, BEE.fingerprint)
    take_in(
        database,
        replace(here, conversation=(ImportedTurn("Why?", side, side),)),
        replace(here, battle_id="back", source=None, conversation=(ImportedTurn("Why?", side, side),)),
        replace(here, battle_id="bare", source=None),
    )
    with database.read() as session:
        assert [turn.sequence for turn in took_after(session, 0)] == [2]
    speeds = Speeds(database, (ANT, BEE))
    assert [row.answers for row in speeds.refresh()] == [1, 1]
    assert [row.answers for row in speeds.refresh()] == [1, 1]


class _Bad:
    """An outcome that the table does not allow."""

    class WORSE:
        value = "worse"
