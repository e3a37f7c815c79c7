"""What visitors wrote, taken back: prompts and answers are emptied, votes and all that ratings read stay.

A turn without a prompt is a forgotten one: no visitor can send an empty prompt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from db.parts import parts
from db.tables import Battle, Judgment, Turn, Vote, Voter
from db.url import DatabaseProblem, is_sqlite, name_of, sqlite_path
from db.votes import count_of, count_up, raise_rules

FORGOTTEN = "forgotten"
Place = tuple[datetime, str]
"""Where a battle stands in the order of their beginnings: its moment, and its id."""


@dataclass(frozen=True)
class Written:
    """What some battles hold: how many have texts of a visitor, their turns, all their votes, and those under way."""

    battles: int
    turns: int
    votes: int
    under_way: int


def written_in(session: Session, battles: Sequence[str]) -> Written:
    return Written(
        _count(session, battles, func.count(Turn.battle_id.distinct()), Turn.battle_id, _WRITTEN),
        _count(session, battles, func.count(), Turn.battle_id, _WRITTEN),
        _count(session, battles, func.count(), Vote.battle_id),
        _count(session, battles, func.count(), Battle.id, Battle.status == "generating"),
    )


def voters(session: Session) -> Iterator[str]:
    """Everybody who began a battle."""
    yield from session.scalars(select(Battle.voter).distinct())


def battles_of(session: Session, voter: str) -> Sequence[str]:
    return session.scalars(select(Battle.id).where(Battle.voter == voter).order_by(Battle.created_at)).all()


def older_battles(session: Session, before: datetime, after: Place | None, limit: int) -> Sequence[Place]:
    """The first `limit` battles begun here before a moment that still hold texts of a visitor; those past `after`.

    Imported ones are older than the arena, as a rule, and nobody's visit to it; they are none of them.
    """
    old = select(Battle.created_at, Battle.id).where(
        Battle.created_at < before,
        Battle.source.is_(None),
        Battle.status != "generating",
        exists().where(Turn.battle_id == Battle.id, _WRITTEN),
    )
    if after is not None:
        old = old.where(or_(Battle.created_at > after[0], and_(Battle.created_at == after[0], Battle.id > after[1])))
    rows = session.execute(old.order_by(Battle.created_at, Battle.id).limit(limit))
    return [(moment, battle_id) for moment, battle_id in rows]


def forget_texts(session: Session, battles: Sequence[str], lasting: Collection[str]) -> int:
    """Empty prompts and answers, and whatever else tells of them; how many of these battles had any.

    Those under way are left as they are, and so are the texts of battles on a question: no visitor wrote them. One that
    waits for its vote can't be voted on any more. Nobody can be found by the network or the prompt of any of them. A
    vote that is held for one of the reasons `lasting` stays held: what a review would find again is not there any more.
    """
    emptied = 0
    for part in parts(battles):
        ended = session.scalars(select(Battle.id).where(Battle.id.in_(part), Battle.status != "generating")).all()
        held = session.scalars(select(Turn.battle_id).distinct().where(Turn.battle_id.in_(ended), _WRITTEN)).all()
        _change(session, Turn, Turn.battle_id.in_(held), prompt="", answer_a="", answer_b="", failure=None)
        # A judge may repeat what it was shown.
        _change(session, Judgment, Judgment.battle_id.in_(held), reply="", failure=None)
        _change(session, Battle, and_(Battle.id.in_(held), Battle.status.in_(("open", "stopped"))), status="void")
        _change(
            session,
            Vote,
            and_(Vote.battle_id.in_(ended), Vote.status == "held", Vote.reason.in_(lasting)),
            settled=True,
        )
        _change(session, Battle, Battle.id.in_(ended), network=None, prompt_key=None)
        emptied += len(held)
    if emptied:
        count_up(session, FORGOTTEN, emptied)
    return emptied


def forget_voter(session: Session, battles: Sequence[str], voter: str | None, instead: str) -> None:
    """Let these battles and their votes be those of `instead`; with `voter` also what is known of that voter.

    Those under way stay who they are, to be found and forgotten when they have ended.
    Whether a vote counts stays as it is, and votes of one voter stay one voter's, which intervals rest on.
    """
    for part in parts(battles):
        _change(session, Battle, and_(Battle.id.in_(part), Battle.status != "generating"), voter=instead)
        _change(session, Vote, Vote.battle_id.in_(part), voter=instead)
    if voter is not None:
        _change(session, Voter, Voter.id == voter, id=instead)
    raise_rules(session)


def forgotten(session: Session) -> int:
    """How many battles were ever emptied."""
    return count_of(session, FORGOTTEN)


def erase_traces(url: str) -> None:
    """Write a SQLite file anew: what was changed or deleted earlier leaves its letters in unused parts of it.

    Nobody else may be writing. Of PostgreSQL its own VACUUM does this in time. Raises `DatabaseProblem`.
    """
    if not is_sqlite(url):
        return
    try:
        with closing(sqlite3.connect(sqlite_path(url), isolation_level=None, timeout=30)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise DatabaseProblem(
            f"The texts are emptied, but the database {name_of(url)} can't be written anew ({error}), so that traces "
            "may be in its unused parts; give its disk as much free space as the file takes, and do it again."
        ) from error


# Of battles on a question the texts are the question's.
_WRITTEN = and_(
    Turn.prompt != "", exists().where(Battle.id == Turn.battle_id, Battle.question_id.is_(None)).correlate(Turn)
)


def _count(session: Session, battles: Sequence[str], what: Any, of: Any, *conditions: ColumnElement[bool]) -> int:
    return sum(
        session.scalar(select(what).select_from(of.class_).where(of.in_(part), *conditions)) or 0
        for part in parts(battles)
    )


def _change(session: Session, table: Any, condition: ColumnElement[bool], **values: object) -> None:
    session.execute(update(table).where(condition).values(values).execution_options(synchronize_session=False))
