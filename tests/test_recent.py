from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial

import pytest
from arenas import ANT, BEE, NOW, ask_on, begin, database_with, fail, ready_battle, vote

from db.imports import ImportedVote, import_votes
from db.outcome import Outcome
from db.recent import RecentBattle, VoterSummary, recent_battles, voter_summary
from db.session import Database
from db.voters import exclude_voter, remember_voter


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE)) as database:
        yield database


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def latest(database: Database, limit: int = 10, before: datetime | None = None) -> list[RecentBattle]:
    with database.read() as session:
        return list(recent_battles(session, limit, before))


def summary(database: Database, voter: str) -> VoterSummary:
    with database.read() as session:
        return voter_summary(session, voter)


def test_the_latest_battles_are_told_with_names_and_how_they_ended(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="voted"))
    database.write(partial(vote, battle_id="voted", outcome=Outcome.TIE))
    database.write(partial(ready_battle, battle_id="void", voter="bob", now=after(1)))
    database.write(partial(ask_on, battle_id="void", voter="bob"))
    database.write(partial(fail, battle_id="void"))
    database.write(partial(begin, battle_id="running", voter="cat", now=after(2)))
    assert latest(database) == [
        RecentBattle("running", "cat", "The Ant", "The Bee", "generating", after(2), None, None, None),
        RecentBattle("void", "bob", "The Ant", "The Bee", "void", after(1), "out of memory", None, None),
        RecentBattle("voted", "ann", "The Ant", "The Bee", "voted", NOW, None, "tie", "counted"),
    ]


def test_one_reads_on_from_the_last_one_seen(database: Database) -> None:
    for number in range(5):
        database.write(partial(begin, battle_id=f"b{number}", now=after(number)))
    first = latest(database, 2)
    second = latest(database, 2, first[-1].created_at)
    assert [one.battle_id for one in (*first, *second)] == ["b4", "b3", "b2", "b1"]
    assert [one.battle_id for one in latest(database, 2, second[-1].created_at)] == ["b0"]


def test_battles_of_others_are_not_among_them(database: Database) -> None:
    foreign = ImportedVote(
        "x", "ann", ANT.fingerprint, BEE.fingerprint, Outcome.A, 1, None, None, "others.csv", after(9)
    )
    database.write(lambda session: import_votes(session, [foreign], {}))
    assert latest(database) == []
    assert summary(database, "ann").votes == 1


def test_a_voter_is_told_with_votes_and_with_what_is_known(database: Database) -> None:
    assert summary(database, "ann") == VoterSummary("ann", 0, 0, False, None, None, None)
    for battle in ("b1", "b2"):
        database.write(partial(ready_battle, battle_id=battle))
        database.write(partial(vote, battle_id=battle, outcome=Outcome.A))
    assert summary(database, "ann") == VoterSummary("ann", 2, 2, False, None, None, None)
    database.write(partial(remember_voter, voter="ann", source="proxy", verified=True, now=NOW))
    database.write(partial(exclude_voter, voter="ann", reason="spam", now=after(3)))
    assert summary(database, "ann") == VoterSummary("ann", 2, 0, True, "proxy", after(3), "spam", None, {"spam": 2})
    assert latest(database)[0].vote_status == "excluded"
