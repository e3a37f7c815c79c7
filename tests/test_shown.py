from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from arenas import ANT, BEE, CAT, NOW, begin, database_with
from sqlalchemy.orm import Session
from stored import answer_of, question, store

from db import contestants, shown
from db.session import Database
from db.shown import Answered, ShownTexts
from db.tables import Battle
from models.spec import ModelSpec

ONE, TWO, NONE = question("one"), question("two", language="zh"), question("three", language=None)
BEFORE = NOW - timedelta(seconds=1)
IDS = [spec.fingerprint for spec in (ANT, BEE, CAT)]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE, CAT)
    yield database
    database.close()


def answered(database: Database, playing: list[str] = IDS) -> dict[str, Answered]:
    with database.read() as session:
        found = shown.answered(session, playing)
        assert shown.anything_to_show(session, playing) is bool(found)
    return {one.question_id: one for one in found}


def ids(*specs: ModelSpec) -> tuple[str, ...]:
    return tuple(sorted(spec.fingerprint for spec in specs))


def test_a_question_can_be_shown_once_two_have_answered_it(database: Database) -> None:
    assert answered(database) == {}
    store(database, [ONE, TWO, NONE], [answer_of(ANT, ONE), answer_of(BEE, TWO)])
    assert answered(database) == {}
    store(database, [], [answer_of(BEE, ONE), answer_of(CAT, ONE), answer_of(ANT, NONE), answer_of(CAT, NONE)])
    assert answered(database) == {
        ONE.id: Answered(ONE.id, "en", ids(ANT, BEE, CAT)),
        NONE.id: Answered(NONE.id, None, ids(ANT, CAT)),
    }


def test_an_answer_that_failed_is_none(database: Database) -> None:
    store(database, [ONE], [answer_of(ANT, ONE), answer_of(BEE, ONE, failure="answered nothing")])
    assert answered(database) == {}
    store(database, [], [answer_of(BEE, ONE)])
    assert answered(database)[ONE.id].contestants == ids(ANT, BEE)


def test_who_does_not_play_or_is_off_or_never_drawn_is_left_out(database: Database) -> None:
    store(database, [ONE], [answer_of(spec, ONE) for spec in (ANT, BEE, CAT)])
    assert answered(database, [ANT.fingerprint, BEE.fingerprint])[ONE.id].contestants == ids(ANT, BEE)
    assert answered(database, [ANT.fingerprint]) == answered(database, []) == {}
    database.write(lambda session: contestants.set_state(session, CAT.fingerprint, "off"))
    assert answered(database)[ONE.id].contestants == ids(ANT, BEE)
    database.write(lambda session: contestants.set_weight(session, BEE.fingerprint, 0))
    assert answered(database) == {}


def test_what_a_voter_was_shown_is_counted_whatever_came_of_it(database: Database) -> None:
    store(database, [ONE, TWO], [])

    def battle(session: Session, battle_id: str, on: str | None, voter: str, status: str) -> None:
        begin(session, battle_id, voter)
        row = session.get_one(Battle, battle_id)
        row.question_id, row.status = on, status

    for number, (on, voter, status) in enumerate(
        [(ONE.id, "ann", "voted"), (ONE.id, "ann", "void"), (TWO.id, "ann", "stopped"), (ONE.id, "bob", "open"),
         (None, "ann", "voted")]
    ):  # fmt: skip
        database.write(partial(battle, battle_id=str(number), on=on, voter=voter, status=status))
    with database.read() as session:
        assert shown.times_shown(session, "ann") == {ONE.id: 2, TWO.id: 1}
        assert shown.times_shown(session, "bob") == {ONE.id: 1}
        assert shown.times_shown(session, "eve") == {}
        assert [shown.told(session, voter) for voter in ("ann", "bob", "eve")] == [{ONE.id}, frozenset(), frozenset()]


@pytest.mark.parametrize(
    ("status", "finished_at", "can_vote"),
    [
        ("generating", None, True), ("open", NOW, True), ("stopped", NOW, True),
        ("open", BEFORE, False), ("stopped", BEFORE, False), ("voted", NOW, False), ("void", NOW, False),
    ],
)  # fmt: skip
def test_a_question_is_undecided_while_its_voter_can_vote(
    database: Database, status: str, finished_at: datetime | None, can_vote: bool
) -> None:
    store(database, [ONE], [])

    def battle(session: Session) -> None:
        begin(session, "b1", "ann")
        row = session.get_one(Battle, "b1")
        row.question_id, row.status, row.finished_at = ONE.id, status, finished_at

    database.write(battle)
    with database.read() as session:
        assert shown.undecided(session, "ann", NOW) == ({"b1", ONE.id} if can_vote else set())
        assert shown.undecided(session, "bob", NOW) == set()


def test_the_texts_of_a_battle_are_those_of_its_two_sides(database: Database) -> None:
    talk = question("talk", "First?", "Second?")
    store(database, [talk], [answer_of(BEE, talk), answer_of(CAT, talk)])
    battle = Battle(
        id="b1", voter="ann", contestant_a=CAT.fingerprint, contestant_b=BEE.fingerprint, status="generating",
        created_at=NOW, question_id=talk.id,
    )  # fmt: skip
    with database.read() as session:
        assert shown.texts_of_battle(session, battle) == ShownTexts(
            ("First?", "Second?"), ("cat of talk, 0", "cat of talk, 1"), ("bee of talk, 0", "bee of talk, 1")
        )
        battle.contestant_b = ANT.fingerprint
        with pytest.raises(LookupError, match="battle b1"):
            shown.texts_of_battle(session, battle)
