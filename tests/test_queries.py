from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from arenas import (
    ANT,
    BEE,
    LATE,
    MOST_TURNS,
    NOW,
    WINDOW,
    again,
    ask_on,
    database_with,
    finish,
    prepared,
    ready_battle,
    refusal,
    status_of,
    vote,
)

from arena.enrolment import enrol_all
from db import queries
from db.outcome import Outcome, Refusal
from db.session import Database
from db.tables import Battle, Turn


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


# -- asking on and regenerating --------------------------------------------------------------------


def test_regenerating_supersedes_the_last_turn_and_keeps_it(database: Database) -> None:
    battle = prepared(database, "open")
    for attempt in (1, 2):
        assert database.write(partial(again, battle_id=battle)) == attempt
        database.write(partial(finish, battle_id=battle))
    assert refusal(database, partial(again, battle_id=battle)) is Refusal.TOO_MANY_ATTEMPTS
    assert status_of(database, battle) == "open"
    with database.read() as session:
        turns = session.query(Turn).order_by(Turn.attempt).all()
        assert [(turn.attempt, turn.superseded, turn.prompt) for turn in turns] == [
            (0, True, "Why?"),
            (1, True, "Why?"),
            (2, False, "Why?"),
        ]
        assert all(turn.answer_a == "an answer" for turn in turns)
        assert [turn.attempt for turn in queries.turns_of(session, battle)] == [2]


def test_regenerating_replaces_the_last_turn_alone(database: Database) -> None:
    battle = prepared(database, "asked on")
    database.write(partial(finish, battle_id=battle))
    database.write(partial(again, battle_id=battle))
    with database.read() as session:
        assert [(turn.position, turn.attempt) for turn in queries.turns_of(session, battle)] == [(0, 0), (1, 1)]


def test_a_stopped_battle_can_be_regenerated_and_then_voted_on(database: Database) -> None:
    battle = prepared(database, "stopped")
    database.write(partial(again, battle_id=battle))
    database.write(partial(finish, battle_id=battle))
    database.write(partial(vote, battle_id=battle, outcome=Outcome.A))
    assert status_of(database, battle) == "voted"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("generating", Refusal.UNFINISHED),
        ("void", Refusal.FAILED),
        ("voted", Refusal.ALREADY_VOTED),
    ],
)
def test_only_open_and_stopped_battles_are_regenerated(database: Database, state: str, reason: Refusal) -> None:
    battle = prepared(database, state)
    before = status_of(database, battle)
    assert refusal(database, partial(again, battle_id=battle)) is reason
    assert refusal(database, partial(again, battle_id=battle, voter="bob")) is Refusal.NOT_YOURS
    assert status_of(database, battle) == before
    with database.read() as session:
        assert session.query(Turn).count() == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("generating", Refusal.UNFINISHED),
        ("stopped", Refusal.STOPPED),
        ("void", Refusal.FAILED),
        ("voted", Refusal.ALREADY_VOTED),
    ],
)
def test_only_open_battles_are_asked_on(database: Database, state: str, reason: Refusal) -> None:
    battle = prepared(database, state)
    before = status_of(database, battle)
    assert refusal(database, partial(ask_on, battle_id=battle)) is reason
    assert status_of(database, battle) == before
    with database.read() as session:
        assert session.query(Turn).count() == 1


def test_a_stranger_can_not_ask_on(database: Database) -> None:
    assert refusal(database, partial(ask_on, battle_id=prepared(database, "open"), voter="bob")) is Refusal.NOT_YOURS


def test_a_battle_has_so_many_turns_and_no_more(database: Database) -> None:
    battle = prepared(database, "open")
    for _ in range(MOST_TURNS - 1):
        database.write(partial(ask_on, battle_id=battle))
        database.write(partial(finish, battle_id=battle))
    assert refusal(database, partial(ask_on, battle_id=battle)) is Refusal.TOO_MANY_TURNS
    assert status_of(database, battle) == "open"
    with database.read() as session:
        assert [turn.position for turn in queries.turns_of(session, battle)] == [0, 1, 2]


# -- what is found again ---------------------------------------------------------------------------


def test_what_a_killed_server_was_generating_is_stopped_and_the_rest_is_left_alone(database: Database) -> None:
    states = ("generating", "open", "void", "voted", "asked on", "regenerating")
    for state in states:
        prepared(database, state)
    assert database.write(lambda session: queries.stop_orphans(session, LATE)) == 3
    assert {state: status_of(database, state) for state in states} == {
        "generating": "stopped", "open": "open", "void": "void", "voted": "voted",
        "asked on": "stopped", "regenerating": "stopped",
    }  # fmt: skip
    with database.read() as session:
        assert session.query(Turn).filter_by(status="generating").count() == 0
        assert session.get_one(Battle, "generating").finished_at == LATE
    database.write(partial(again, battle_id="generating"))


def test_what_a_killed_server_was_generating_waits_for_its_visitor(database: Database) -> None:
    battle = prepared(database, "generating")
    database.write(lambda session: queries.stop_orphans(session, NOW))
    with database.read() as session:
        assert queries.waiting_battle(session, "ann", NOW - WINDOW) == battle


@pytest.mark.parametrize(
    ("state", "waits"),
    [("open", True), ("stopped", True), ("generating", False), ("void", False), ("voted", False)],
)
def test_open_and_stopped_battles_wait_for_their_visitor(database: Database, state: str, waits: bool) -> None:
    battle = prepared(database, state)
    with database.read() as session:
        assert queries.waiting_battle(session, "ann", NOW - WINDOW) == (battle if waits else None)
        assert queries.waiting_battle(session, "bob", NOW - WINDOW) is None
        assert queries.waiting_battle(session, "ann", NOW + timedelta(seconds=1)) is None, "too old to be voted on"


def test_the_newest_battle_waits_first(database: Database) -> None:
    for number in (1, 3, 2):
        moment = NOW + timedelta(minutes=number)
        database.write(partial(ready_battle, battle_id=f"b{number}", now=moment))
    with database.read() as session:
        assert queries.waiting_battle(session, "ann", NOW) == "b3"


def test_battles_are_counted_by_pair_and_side_void_or_not(database: Database) -> None:
    for state in ("open", "voted", "void", "generating"):
        prepared(database, state)
    with database.read() as session:
        assert queries.battle_counts(session) == {(ANT.fingerprint, BEE.fingerprint): 4}


def test_of_a_contestant_that_is_known_only_the_name_may_change(database: Database) -> None:
    renamed = ANT.model_copy(update={"name": "Renamed"})
    assert renamed.fingerprint == ANT.fingerprint
    enrol_all(database, [renamed], LATE)
    with database.read() as session:
        known = [(one.name, one.created_at == LATE) for one in queries.contestants(session)]
    assert sorted(known) == [("Renamed", False), ("The Bee", False)]
