"""Votes: written once, read as ratings and exports need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from db.outcome import Outcome, Refused
from db.queries import own_battle, why_not
from db.tables import Battle, Counter, Turn, Vote
from db.usage import Took

VOTES = "votes"
_MEASURED = tuple(f"{name}_{side}" for name in Took._fields for side in "ab")


@dataclass(frozen=True)
class VoteRow:
    """One vote as ratings read it; `a` and `b` are contestants' fingerprints."""

    sequence: int
    battle_id: str
    voter: str
    a: str
    b: str
    outcome: Outcome
    turns: int
    created_at: datetime


def record_vote(
    session: Session, battle_id: str, voter: str, outcome: Outcome, now: datetime, window: timedelta
) -> None:
    """Store the one vote of a battle.

    The same voter with the same outcome again gets the same answer. Anything else on a battle that
    is not open, not this voter's, or finished longer than `window` ago raises `Refused`.
    """
    won = session.execute(_WIN, {"one": battle_id, "by": voter, "since": now - window})
    if won.rowcount == 1:  # type: ignore[attr-defined]
        sequence = _count_up(session, VOTES)
        row = {"battle_id": battle_id, "voter": voter, "outcome": outcome.value, "sequence": sequence}
        session.execute(_VOTE, {**row, "created_at": now})
        return
    battle = own_battle(session, battle_id, voter)
    stored = session.get(Vote, battle_id)
    if stored is None or stored.outcome != outcome:
        raise Refused(why_not(battle))


def vote_on(session: Session, battle_id: str) -> Vote | None:
    return session.get(Vote, battle_id)


def votes_after(session: Session, sequence: int) -> list[VoteRow]:
    """Votes newer than a watermark, in the order of their commits; 0 gives all."""
    # Counted for each vote by the primary key of turns: an empty refresh costs nothing.
    turns = (
        select(func.count())
        .where(Turn.battle_id == Vote.battle_id, Turn.superseded.is_(False))
        .correlate(Vote)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            Vote.sequence,
            Vote.battle_id,
            Vote.voter,
            Battle.contestant_a,
            Battle.contestant_b,
            Vote.outcome,
            turns,
            Vote.created_at,
        )
        .join(Battle, Battle.id == Vote.battle_id)
        .where(Vote.sequence > sequence)
        .order_by(Vote.sequence)
    )
    return [
        VoteRow(number, battle_id, voter, a, b, Outcome(outcome), count, created_at)
        for number, battle_id, voter, a, b, outcome, count, created_at in rows
    ]


def texts_of(session: Session, battle_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """For each battle its turns that count: `prompt`, `answer_a`, `answer_b`, and what the answers took.

    The latter are the fields of `db.usage.Took`, each with its side: `reason_a`, `reason_b`, `tokens_a`, …
    """
    rows = session.scalars(
        select(Turn)
        .where(Turn.battle_id.in_(battle_ids), Turn.superseded.is_(False))
        .order_by(Turn.battle_id, Turn.position)
    )
    texts: dict[str, list[dict[str, Any]]] = {battle_id: [] for battle_id in battle_ids}
    for turn in rows:
        measured = {name: getattr(turn, name) for name in _MEASURED}
        texts[turn.battle_id].append(
            {"prompt": turn.prompt, "answer_a": turn.answer_a, "answer_b": turn.answer_b, **measured}
        )
    return texts


def _count_up(session: Session, name: str) -> int:
    """Raise a counter; its row stays locked until the commit, so numbers follow the order of commits."""
    value = session.execute(_RAISE, {"one": name}).scalar_one_or_none()
    if value is None:
        session.add(Counter(name=name, value=1))
        session.flush()
        return 1
    return int(value)


# The vote's statements, made once: many voters wait for them together. They pass by the session's
# objects, so whoever reads a battle afterwards reads it anew.
_AROUND = {"synchronize_session": False}
_WIN = (
    update(Battle)
    .where(
        Battle.id == bindparam("one"),
        Battle.voter == bindparam("by"),
        Battle.status == "open",
        Battle.finished_at >= bindparam("since"),
    )
    .values(status="voted")
    .execution_options(**_AROUND)
)
_RAISE = (
    update(Counter)
    .where(Counter.name == bindparam("one"))
    .values(value=Counter.value + 1)
    .returning(Counter.value)
    .execution_options(**_AROUND)
)
_VOTE = insert(Vote)
