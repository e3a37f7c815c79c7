from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import (
    ANT,
    BEE,
    NOW,
    Arena,
    again,
    arena_of,
    ask_on,
    begin,
    contestant,
    database_with,
    finish,
    key_of,
    stop,
    vote,
)
from sqlalchemy.orm import Session

from arena import labelling
from arena.labelling import label_again, label_missing
from db import queries
from db.columns import columns_after
from db.outcome import Outcome
from db.queries import Side
from db.session import Database
from db.tables import Turn, Vote
from db.votes import rules_version

DRESSED = Side("<think>hm</think># One\n- two\n- **three**", "stop", 9)
PLAIN = Side("plain", "stop", 2)
LABELS = ("category", "language", "length_a", "headings_a", "lists_a", "bold_a", "length_b", "headings_b")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


def voted(session: Session, battle_id: str, prompt: str = "Write a poem about rain") -> None:
    """A battle of two turns, as an arena without labels stored it."""
    key = begin(session, battle_id)
    session.get_one(Turn, key).prompt = prompt
    queries.finish_turn(session, key, DRESSED, PLAIN, NOW)
    ask_on(session, battle_id)
    queries.finish_turn(session, key_of(session, battle_id), DRESSED, PLAIN, NOW)
    vote(session, battle_id, Outcome.A)


def labels_of(row: Turn | Vote) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in LABELS)


def rules(database: Database) -> int:
    with database.read() as session:
        return rules_version(session)


def test_turns_without_labels_get_them_and_votes_carry_them(database: Database) -> None:
    database.write(partial(voted, battle_id="one"))
    before = rules(database)
    assert label_missing(database) == 2
    with database.read() as session:
        turn, later = session.get_one(Turn, ("one", 0, 0)), session.get_one(Turn, ("one", 1, 0))
        assert labels_of(turn) == ("writing", "en", 23, 1, 2, 1, 5, 0)
        assert later.category == "knowledge"
        # The first prompt's labels, and the sums over the turns.
        assert labels_of(session.get_one(Vote, "one")) == ("writing", "en", 46, 2, 4, 2, 10, 0)
        columns = columns_after(session, 0, 10)
        assert columns is not None
        assert tuple(columns.category) == ("writing",)
    assert rules(database) > before


def test_what_is_labelled_already_costs_nothing_and_changes_nothing(database: Database) -> None:
    database.write(partial(voted, battle_id="one"))
    label_missing(database)
    before = rules(database)
    assert label_missing(database) == 0
    assert rules(database) == before


def test_many_turns_are_labelled_in_small_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "PAGE", 3)
    for number in range(4):
        database.write(partial(voted, battle_id=f"battle {number}"))
    assert label_missing(database) == 8
    with database.read() as session:
        assert {vote.category for vote in session.query(Vote)} == {"writing"}


def test_turns_that_came_to_nothing_are_left_alone(database: Database) -> None:
    database.write(partial(begin, battle_id="generating"))
    for work in (begin, stop):
        database.write(partial(work, battle_id="stopped"))
    assert label_missing(database) == 0


def test_a_superseded_attempt_does_not_count_in_the_vote(database: Database) -> None:
    def work(session: Session) -> None:
        queries.finish_turn(session, begin(session, "one"), DRESSED, DRESSED, NOW)
        again(session, "one")
        finish(session, "one")
        vote(session, "one", Outcome.TIE)

    database.write(work)
    assert label_missing(database) == 2
    with database.read() as session:
        assert session.get_one(Vote, "one").length_a == len("an answer")


def test_a_change_of_rules_labels_everything_anew(database: Database) -> None:
    database.write(partial(voted, battle_id="one"))
    label_missing(database)
    database.write(lambda session: setattr(session.get_one(Turn, ("one", 0, 0)), "category", "astrology"))
    before = rules(database)
    assert label_again(database) == 2
    with database.read() as session:
        assert session.get_one(Turn, ("one", 0, 0)).category == "writing"
        assert session.get_one(Vote, "one").category == "writing"
    assert rules(database) > before


@pytest.mark.slow
def test_what_visitors_do_here_is_labelled_as_it_happens(tmp_path: Path) -> None:
    ant, bee = (contestant(name, replies=["# One\n- **two**"]) for name in ("ant", "bee"))

    async def play(arena: Arena) -> str:
        views = await arena.ask("Write a poem about rain")
        battle = views[-1].battle_id
        await arena.ask("法国的首都是哪里?", battle)
        async for _ in arena.battles.regenerate(battle, "ann"):
            pass
        await arena.battles.vote(battle, "ann", Outcome.A)
        return battle

    arena = arena_of(tmp_path, ant, bee)
    with closing(arena.database):
        battle = asyncio.run(play(arena))
        with arena.database.read() as session:
            first, second = queries.turns_of(session, battle)
            assert labels_of(first) == ("writing", "en", 15, 1, 1, 1, 15, 1)
            assert labels_of(second) == ("knowledge", "zh", 15, 1, 1, 1, 15, 1)
            assert labels_of(session.get_one(Vote, battle)) == ("writing", "en", 30, 2, 2, 2, 30, 2)
        assert label_missing(arena.database) == 0
