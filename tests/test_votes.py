from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count

import pytest
from arenas import (
    ANT,
    BEE,
    LATE,
    NOW,
    WINDOW,
    database_with,
    prepared,
    ready_battle,
    refusal,
    status_of,
    vote,
    vote_of,
)

from db.outcome import Outcome, Refusal, Refused
from db.session import Database
from db.votes import votes_after


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


@pytest.mark.parametrize("outcome", Outcome)
def test_an_open_battle_takes_one_vote_of_each_kind(database: Database, outcome: Outcome) -> None:
    battle = prepared(database, "open")
    assert database.write(partial(vote, battle_id=battle, outcome=outcome)) == battle
    stored = vote_of(database, battle)
    assert stored is not None
    assert (stored.outcome, stored.voter, stored.sequence, stored.created_at) == (outcome, "ann", 1, NOW)
    assert status_of(database, battle) == "voted"


@pytest.mark.integrity
def test_the_same_vote_again_gets_the_same_answer_however_late(database: Database) -> None:
    battle = prepared(database, "voted")
    assert database.write(partial(vote, battle_id=battle, outcome=Outcome.A, now=LATE)) == battle
    stored = vote_of(database, battle)
    assert stored is not None
    assert (stored.sequence, stored.created_at) == (1, NOW)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("voted", Refusal.ALREADY_VOTED),
        ("generating", Refusal.UNFINISHED),
        ("asked on", Refusal.UNFINISHED),
        ("regenerating", Refusal.UNFINISHED),
        ("stopped", Refusal.STOPPED),
        ("second turn stopped", Refusal.STOPPED),
        ("void", Refusal.FAILED),
    ],
)
def test_a_battle_that_is_not_open_refuses_and_stays(database: Database, state: str, reason: Refusal) -> None:
    battle = prepared(database, state)
    before, stored = status_of(database, battle), vote_of(database, battle)
    assert refusal(database, partial(vote, battle_id=battle, outcome=Outcome.B)) is reason
    after = vote_of(database, battle)
    assert status_of(database, battle) == before
    assert (after and after.outcome) == (stored and stored.outcome)


@pytest.mark.parametrize("state", ["open", "voted", "void", "generating"])
def test_a_strangers_battle_is_refused_as_if_it_were_not_there(database: Database, state: str) -> None:
    battle = prepared(database, state)
    before = status_of(database, battle)
    for voter in ("bob", ""):
        assert refusal(database, partial(vote, battle_id=battle, outcome=Outcome.A, voter=voter)) is Refusal.NOT_YOURS
    assert status_of(database, battle) == before


def test_an_unknown_battle_is_refused(database: Database) -> None:
    assert refusal(database, partial(vote, battle_id="nowhere", outcome=Outcome.A)) is Refusal.NOT_YOURS


def test_a_vote_that_comes_too_late_is_refused_and_one_in_the_last_second_counts(database: Database) -> None:
    battle = prepared(database, "open")
    assert refusal(database, partial(vote, battle_id=battle, outcome=Outcome.A, now=LATE)) is Refusal.EXPIRED
    assert status_of(database, battle) == "open"
    database.write(partial(vote, battle_id=battle, outcome=Outcome.A, now=NOW + WINDOW))
    assert status_of(database, battle) == "voted"


@pytest.mark.integrity
def test_of_sixteen_votes_at_once_on_one_battle_one_counts(database: Database) -> None:
    battle = prepared(database, "open")

    def cast(number: int) -> bool:
        with suppress(Refused):
            database.write(partial(vote, battle_id=battle, outcome=list(Outcome)[number % 4]))
            return True
        return False

    with ThreadPoolExecutor(16) as threads:
        counted = sum(threads.map(cast, range(16)))
    stored = vote_of(database, battle)
    assert stored is not None
    assert stored.sequence == 1
    assert counted == 4, "the one that came first, and the three others of its kind"


def test_sequence_numbers_grow_in_the_order_of_commits(database: Database) -> None:
    for number in range(64):
        database.write(partial(ready_battle, battle_id=f"b{number}"))
    done = count()
    finished: dict[str, int] = {}

    def cast(number: int) -> None:
        future = database.submit(partial(vote, battle_id=f"b{number}", outcome=Outcome.TIE))
        future.add_done_callback(lambda future: finished.setdefault(future.result(), next(done)))
        future.result()

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(cast, range(64)))
    with database.read() as session:
        rows = votes_after(session, 0)
        later = votes_after(session, 40)
    assert [row.sequence for row in rows] == list(range(1, 65))
    assert [row.battle_id for row in rows] == sorted(finished, key=lambda battle: finished[battle])
    assert rows[40:] == later


def test_a_refused_vote_uses_up_no_number(database: Database) -> None:
    first, void = prepared(database, "voted"), prepared(database, "void")
    refusal(database, partial(vote, battle_id=void, outcome=Outcome.A))
    refusal(database, partial(vote, battle_id=first, outcome=Outcome.B))
    second = prepared(database, "open")
    database.write(partial(vote, battle_id=second, outcome=Outcome.B))
    with database.read() as session:
        assert [(row.battle_id, row.sequence) for row in votes_after(session, 0)] == [(first, 1), (second, 2)]
